//! Faults of GPUs between whoever notices them and whoever acts: kept in order, bounded, taken once.

use std::{
    collections::VecDeque,
    sync::{Mutex, OnceLock, PoisonError},
};

/// A driver that tells more than this before anybody looks repeats itself.
const MOST: usize = 1000;

/// Something that went wrong with a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuFault {
    pub uuid: String,
    pub kind: FaultKind,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// NVIDIA's number of an error; 0 where the driver does not tell it.
    Xid(u64),
    /// Memory errors that could not be mended.
    DoubleBitEcc,
    /// It does not answer any more: fallen off the bus.
    Gone,
}

/// The queue.
#[derive(Default)]
pub(super) struct Faults {
    queue: Mutex<VecDeque<GpuFault>>,
    /// Called after each fault.
    bell: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Faults {
    /// Adds one; the oldest goes when there are too many.
    pub(super) fn push(&self, fault: GpuFault) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() == MOST {
            queue.pop_front();
        }
        queue.push_back(fault);
        drop(queue);
        if let Some(bell) = self.bell.get() {
            bell();
        }
    }

    /// Has `bell` called after each fault from now on; the first that asks is the one that is called.
    pub(super) fn ring(&self, bell: impl Fn() + Send + Sync + 'static) {
        let _there_is_one = self.bell.set(Box::new(bell));
    }

    /// All so far, oldest first.
    pub(super) fn take(&self) -> Vec<GpuFault> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[test]
    fn faults_are_taken_once_in_order_and_never_fill_the_memory() {
        let (faults, rung) = (Faults::default(), Arc::new(AtomicUsize::new(0)));
        let counter = rung.clone();
        faults.ring(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let fault = |code| GpuFault { uuid: "A".into(), kind: FaultKind::Xid(code) };
        (0..1500).for_each(|code| faults.push(fault(code)));
        let taken = faults.take();
        assert_eq!((taken.len(), taken.first(), taken.last()), (MOST, Some(&fault(500)), Some(&fault(1499))));
        assert_eq!((faults.take(), rung.load(Ordering::SeqCst)), (vec![], 1500));
    }
}
