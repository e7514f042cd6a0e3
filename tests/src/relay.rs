//! A way to another address that can turn into a black hole: connections stay open and nothing comes through any more, new ones are
//! never answered, and once a few wait, not even their first packet is. That is what a network that drops packets looks like.

use std::time::Duration;

use anyhow::Result;
use tokio::{
    io::copy_bidirectional,
    net::{TcpSocket, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// Connections that wait to be taken before the kernel drops the packets of more.
const BACKLOG: u32 = 8;

pub struct Relay {
    /// `127.0.0.1:port`
    pub address: String,
    is_hole: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Relay {
    /// A way to `target`, `address:port`.
    pub fn to(target: &str) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind("127.0.0.1:0".parse()?)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?.to_string();
        let is_hole = watch::Sender::new(false);
        let mut watched = is_hole.subscribe();
        let target = target.to_owned();
        let task = tokio::spawn(async move {
            let mut ways = JoinSet::new();
            loop {
                if watched.wait_for(|is_hole| !is_hole).await.is_err() {
                    return;
                }
                tokio::select! {
                    _ = watched.changed() => {}
                    Ok((from, _)) = listener.accept() => {
                        ways.spawn(way(from, target.clone(), watched.clone()));
                    }
                }
            }
        });
        Ok(Self { address, is_hole, task })
    }

    /// From now on nothing comes through, and nobody is told.
    pub fn swallow(&self) {
        self.is_hole.send_replace(true);
    }

    /// What was held goes on.
    pub fn open(&self) {
        self.is_hole.send_replace(false);
    }
}

async fn way(mut from: TcpStream, target: String, mut watched: watch::Receiver<bool>) {
    let Ok(Ok(mut to)) = tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(target)).await else { return };
    let mut copying = std::pin::pin!(copy_bidirectional(&mut from, &mut to));
    loop {
        tokio::select! {
            biased;
            turned = watched.wait_for(|is_hole| *is_hole) => if turned.is_err() { return },
            _ = &mut copying => return,
        }
        if watched.wait_for(|is_hole| !is_hole).await.is_err() {
            return;
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}
