//! The way to the collector.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use lyceum_core::chain;
use lyceum_http::{Outgoing, OutgoingError, OutgoingPolicy};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;
use url::Url;

use super::exporter::Delivery;

/// How long the collector may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is read of its answer.
const ANSWER_BYTES: usize = 64 * 1024;

/// Sends to the collector, which the administrator named, wherever it is.
#[derive(Debug)]
pub(super) struct CollectorClient {
    outgoing: Outgoing,
    /// Spans are gathered on a thread that belongs to no runtime, so the requests run here.
    runtime: Handle,
    delivery: Arc<Delivery>,
}

impl CollectorClient {
    /// Belongs to the runtime in which it is made.
    pub(super) fn new(delivery: Arc<Delivery>) -> Result<Self, OutgoingError> {
        let anywhere = OutgoingPolicy { allowed_private_hosts: vec!["*".to_owned()] };
        let outgoing = Outgoing::new(anywhere)?;
        Ok(Self { outgoing, runtime: Handle::current(), delivery })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())?;
        let request = self.outgoing.request(parts.method, url)?;
        let request = request.headers(parts.headers).body(body).timeout(PATIENCE);
        let answer = self.runtime.spawn(async move {
            // Its clock starts with the call, which wants the runtime as well.
            let mut answer = request.send().await?;
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            let mut read = BytesMut::new();
            while read.len() < ANSWER_BYTES
                && let Some(piece) = answer.chunk().await?
            {
                read.extend_from_slice(&piece);
            }
            Ok::<_, reqwest::Error>(response.map(|_| read.freeze()))
        });
        // Its address may hold a key.
        answer.await?.map_err(|error| error.without_url().into())
    }
}

#[async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.send(request).await;
        match &response {
            Ok(response) if response.status().is_success() => {}
            Ok(response) => self.delivery.blame(format!("it answered {}", response.status())),
            Err(error) => self.delivery.blame(chain(error.as_ref())),
        }
        response
    }
}
