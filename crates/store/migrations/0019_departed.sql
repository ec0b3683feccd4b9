-- Those who left and can still be brought back, so that the living members of a group are counted
-- without looking up each of them: there are few of the others.
CREATE VIEW app.departed AS SELECT id FROM identity.users WHERE deleted_at IS NOT NULL;
ALTER VIEW app.departed OWNER TO lyceum_maintenance;
GRANT SELECT ON app.departed TO lyceum_app;
