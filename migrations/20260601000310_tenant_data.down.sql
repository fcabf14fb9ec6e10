DROP FUNCTION tally.erase_tenant(uuid);
DROP FUNCTION tally.export_rows(uuid, text);
DROP FUNCTION tally.tenant_tables();
