import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
        ('ledger', '0002_erasing'),
    ]

    operations = [
        migrations.AddField(
            model_name='account',
            name='answered',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.operation'),
        ),
        migrations.AddField(
            model_name='account',
            name='listing',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.operation'),
        ),
        migrations.AddField(
            model_name='holder',
            name='registered_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.principal'),
        ),
        migrations.CreateModel(
            name='Enquiry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(max_length=40, unique=True)),
                ('purpose', models.CharField(max_length=20)),
                ('number', models.CharField(default='', max_length=12)),
                ('state', models.CharField(max_length=10)),
                ('asked_on', models.DateField()),
                ('holds_account', models.BooleanField(null=True)),
                ('number_is_right', models.BooleanField(null=True)),
                ('numbers', models.JSONField(default=list)),
                ('asked_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='enquiries', to='ledger.principal')),
                ('begun', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.operation')),
                ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.principal')),
                ('ended', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.operation')),
                ('holder', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.holder')),
            ],
            options={
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('purpose__in', ('verify_account', 'transfer_credits'))), name='enquiry_purpose'),
                    models.CheckConstraint(condition=models.Q(('state__in', ('open', 'answered', 'refused', 'withdrawn'))), name='enquiry_state'),
                    models.CheckConstraint(condition=models.Q(('decided_by__isnull', True), models.Q(('decided_by', models.F('asked_by')), _negated=True), _connector='OR'), name='enquiry_not_own'),
                ],
            },
        ),
    ]
