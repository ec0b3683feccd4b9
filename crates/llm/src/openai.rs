//! OpenAI wire format: request and reply types and the client.
