from django.db import migrations, models

import listings.validation


class Migration(migrations.Migration):
    dependencies = [("listings", "0007_is_unpublished")]

    operations = [
        # Of the forms alone: nothing changes in the database.
        migrations.AlterField(
            model_name="listing",
            name="title",
            field=models.CharField(max_length=300, validators=[listings.validation.check_title]),
        ),
    ]
