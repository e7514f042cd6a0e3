DROP TABLE token_callers;
DROP TABLE token_minutes;
