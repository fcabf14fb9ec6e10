INSERT INTO agents (user_id, id, name, bolna_agent_id)
SELECT id, '22222222-2222-4222-8222-222222222222', 'Agent', 'agent-1' FROM users WHERE email = 'a@example.test';
INSERT INTO users (email, name, role, password_hash) VALUES ('boss@example.test', 'Boss', 'super_admin', 'hash');
INSERT INTO calls (user_id, id, agent_id, bolna_execution_id, started_at)
SELECT id, '33333333-3333-4333-8333-333333333333', '22222222-2222-4222-8222-222222222222', 'execution-1', now()
FROM users WHERE email = 'a@example.test';
