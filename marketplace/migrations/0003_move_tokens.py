from django.db import migrations

# Tokens that people have go on to be good. The table that knox made for them stays, empty and tied to nothing:
# knox's own migrations may come to alter it.
MOVE = """
INSERT INTO marketplace_persontoken (digest, token_key, user_id, created, expiry, scopes)
SELECT digest, token_key, user_id, created, expiry, '{feed,events,catalogue,staff}' FROM knox_authtoken;
DELETE FROM knox_authtoken;
DO $$
DECLARE tie record;
BEGIN
  FOR tie IN SELECT conname FROM pg_constraint WHERE conrelid = 'knox_authtoken'::regclass AND contype = 'f' LOOP
    EXECUTE format('ALTER TABLE knox_authtoken DROP CONSTRAINT %I', tie.conname);
  END LOOP;
END $$;
"""
MOVE_BACK = """
ALTER TABLE knox_authtoken ADD CONSTRAINT knox_authtoken_user_id_fk FOREIGN KEY (user_id)
  REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED;
INSERT INTO knox_authtoken (digest, token_key, user_id, created, expiry)
SELECT digest, token_key, user_id, created, expiry FROM marketplace_persontoken;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('marketplace', '0002_scoped_tokens_and_staff_access'),
        ('knox', '0009_extend_authtoken_field'),
    ]

    operations = [migrations.RunSQL(MOVE, MOVE_BACK)]
