-- Lets another process export the service metrics at once, if process $1 does; returns nothing.
UPDATE tally.service_exporter SET held_until = now() WHERE process_id = $1 AND held_until > now()
