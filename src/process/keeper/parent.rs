//! The keeper's end of the channel to the parent.

use std::cell::RefCell;
use std::io::{self, Stdin};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use crate::message::channel::{Broken, Channel};
use crate::message::parent::{FromKeeper, ToKeeper};

/// The channel to the parent. All clones use one channel, so that messages keep
/// their order.
#[derive(Clone)]
pub struct Parent {
    socket: Rc<Stdin>,
    channel: Rc<RefCell<Channel<Stdin>>>,
}

impl Parent {
    /// The parent at the other end of `channel`.
    #[must_use]
    pub fn new(channel: Channel<Stdin>) -> Self {
        Self { socket: Rc::new(io::stdin()), channel: Rc::new(RefCell::new(channel)) }
    }

    /// The next message, if one has arrived. Does not wait.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn recv(&self) -> Result<Option<ToKeeper>, Broken> {
        self.channel.borrow_mut().recv()
    }

    /// The descriptor that came with the last message.
    pub fn descriptor(&self) -> Option<OwnedFd> {
        self.channel.borrow_mut().descriptor()
    }

    /// Whether [`recv`](Self::recv) may return something although the socket has
    /// nothing to read.
    #[must_use]
    pub fn has_input(&self) -> bool {
        self.channel.borrow().has_input()
    }

    /// Sends a message that must arrive before the caller goes on.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn send(
        &self,
        message: &FromKeeper,
        descriptor: Option<OwnedFd>,
    ) -> Result<(), Broken> {
        self.channel.borrow_mut().send(message, descriptor)
    }

    /// Sends messages, all of which must arrive before the caller goes on.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn send_all(&self, messages: &[FromKeeper]) -> Result<(), Broken> {
        self.channel.borrow_mut().send_all(messages)
    }

    /// Sends a message. If the parent is gone, the next [`recv`](Self::recv)
    /// reports it.
    pub fn notify(&self, message: &FromKeeper) {
        drop(self.send(message, None));
    }
}

impl AsFd for Parent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
