from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("listings", "0005_unused_photo_indexes")]

    operations = [
        migrations.AddField(
            model_name="listing",
            name="withdrawn_by",
            field=models.CharField(
                blank=True,
                choices=[("owner", "Owner"), ("service", "Service"), ("staff", "Staff")],
                db_default="",
                default="",
                editable=False,
                max_length=10,
            ),
        ),
    ]
