//! An answer that takes long to find is given again for a while; one that is found at once is found anew each time, so that whoever
//! changed something sees it. And what features keep in memory alone: it is gone with the process, and nobody may need it afterwards.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::{Arc, Mutex as PlainMutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use crate::error::Result;

/// What is found faster is not worth remembering.
const QUICK: Duration = Duration::from_millis(200);

/// Cheap to clone; clones remember the same.
#[derive(Clone)]
pub struct Remembered<T> {
    last: Arc<Mutex<Option<(Instant, T)>>>,
    lasts: Duration,
}

impl<T: Clone> Remembered<T> {
    pub fn new(lasts: Duration) -> Self {
        Self { last: Arc::default(), lasts }
    }

    /// The answer of before, or the one that `find` finds. Who asks meanwhile waits for that rather than finding it, too.
    pub async fn get(&self, find: impl Future<Output = Result<T>>) -> Result<T> {
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = &*last
            && at.elapsed() < self.lasts
        {
            return Ok(answer.clone());
        }
        let began = Instant::now();
        let found = find.await?;
        *last = (began.elapsed() > QUICK).then(|| (Instant::now(), found.clone()));
        Ok(found)
    }
}

/// One value of each type that a feature keeps in memory. Cheap to clone; clones have the same values.
#[derive(Clone, Default)]
pub struct Memory {
    values: Arc<PlainMutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>>,
}

impl Memory {
    /// The value of that type, made when it is first asked for.
    pub fn of<T: Any + Send + Sync + Default>(&self) -> Arc<T> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let value = values.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(T::default())).clone();
        // the key is its type
        value.downcast().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_type_has_one_value() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let memory = Memory::default();
        memory.clone().of::<AtomicU32>().store(7, Ordering::Relaxed);
        assert_eq!(memory.of::<AtomicU32>().load(Ordering::Relaxed), 7);
        assert!(memory.of::<PlainMutex<Vec<u8>>>().lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_took_long_is_given_again_for_a_while() {
        let remembered = Remembered::new(Duration::from_millis(400));
        let find = async |answer: u32, ms: u64| {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok(answer)
        };
        assert_eq!(remembered.get(find(1, 0)).await.unwrap(), 1);
        assert_eq!(remembered.get(find(2, 250)).await.unwrap(), 2);
        assert_eq!(remembered.clone().get(find(3, 0)).await.unwrap(), 2);
        tokio::time::sleep(Duration::from_millis(450)).await;
        assert_eq!(remembered.get(find(4, 0)).await.unwrap(), 4);
    }
}
