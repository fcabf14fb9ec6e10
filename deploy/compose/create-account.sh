#!/bin/sh
# Runs once, when the database is made: the account of the daemon, and the roles
# that it takes. The account can do nothing without them.
set -eu

PGOPTIONS="-c tallyline.login_role=tallyline -c tallyline.login_password=$TALLYLINE_DATABASE_PASSWORD" \
    psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --file /tallyline/bootstrap_roles.sql
