from django.db import migrations, models


def mark_drafts(apps, schema_editor):
    """Whether a withdrawn listing was public before is not known: it counts as one that was."""
    apps.get_model("listings", "Listing").objects.filter(status="draft").update(is_unpublished=True)


class Migration(migrations.Migration):
    dependencies = [("listings", "0006_withdrawn_by")]

    operations = [
        migrations.AddField(
            model_name="listing",
            name="is_unpublished",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.RunPython(mark_drafts, migrations.RunPython.noop),
    ]
