import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_enquiries'),
        ('ledger', '0002_erasing'),
        ('payments', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Invoice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.CharField(max_length=20, unique=True)),
                ('purpose', models.CharField(max_length=20)),
                ('subject', models.BigIntegerField()),
                ('issued_on', models.DateField()),
                ('name', models.CharField(max_length=200)),
                ('address', models.CharField(max_length=500)),
                ('cents', models.BigIntegerField()),
                ('law_reference', models.CharField(max_length=200)),
                ('note', models.CharField(default='no GST', max_length=60)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='invoices', to='accounts.account')),
                ('begun', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.operation')),
            ],
            options={
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('cents__gt', 0)), name='invoice_amount'),
                ],
            },
        ),
        migrations.AddField(
            model_name='payment',
            name='invoice',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='payments', to='payments.invoice'),
        ),
    ]
