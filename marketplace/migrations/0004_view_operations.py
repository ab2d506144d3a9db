from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("marketplace", "0003_move_tokens")]

    operations = [
        migrations.AlterModelOptions(
            name="staffaccess",
            options={
                "permissions": (("view_operations", "Can read metrics and health checks"),),
                "verbose_name_plural": "staff accesses",
            },
        ),
    ]
