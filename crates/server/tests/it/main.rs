//! The real program, from outside: over HTTP, killed, restarted, and by other products' clients.

mod journey;
mod kill;
mod openai_package;
mod routes;
mod world;
