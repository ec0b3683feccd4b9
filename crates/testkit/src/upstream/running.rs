//! Where an upstream runs: as a task among its callers, or on a thread of its own.

use std::net::TcpListener;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt as _;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A running server; ends when it is dropped.
pub(super) enum Running {
    Here(JoinHandle<()>),
    Apart {
        /// Of the thread, as the kernel names it.
        thread: i32,
        /// Dropped, it ends the thread.
        _stop: oneshot::Sender<()>,
    },
}

impl Running {
    /// As a task of this runtime.
    pub(super) fn here(listener: TcpListener, router: Router) -> Self {
        Self::Here(tokio::spawn(serve(listener, router)))
    }

    /// On a thread with a runtime of its own.
    pub(super) fn apart(listener: TcpListener, router: Router) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            let _ = tell.send(nix::unistd::gettid().as_raw());
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, router) => {}
                    _ = stopped => {}
                }
            });
        });
        let Ok(thread) = told.recv() else { panic!("no runtime for the upstream") };
        Self::Apart { thread, _stop: stop }
    }

    /// CPU time of the thread; nothing without one.
    pub(super) fn cpu_time(&self) -> Duration {
        let Self::Apart { thread, .. } = self else { return Duration::ZERO };
        let path = format!("/proc/self/task/{thread}/schedstat");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let nanoseconds = text.split(' ').next().and_then(|text| text.parse().ok());
        Duration::from_nanos(nanoseconds.unwrap_or(0))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Here(task) = self {
            task.abort();
        }
    }
}

async fn serve(listener: TcpListener, router: Router) {
    let listener =
        listener.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(listener));
    let Ok(listener) = listener else { panic!("the upstream's port cannot be listened on") };
    // Else Nagle's algorithm holds small chunks back.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let _stopped = axum::serve(listener, router).await;
}
