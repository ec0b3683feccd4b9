//! The private PostgreSQL cluster that the program runs when no server is configured.
