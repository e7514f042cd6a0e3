DROP TABLE password_links;
DROP TABLE logins;
