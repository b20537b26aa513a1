use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Computes the items of an iterator on a thread of its own, ahead of their use and in order.
///
/// If it is dropped before the end, the thread stops after the current item.
#[derive(Debug)]
pub struct Prefetch<T> {
    /// `None` once dropping has begun.
    items: Option<Receiver<T>>,
    thread: Option<JoinHandle<()>>,
    waited: Duration,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Computes up to `depth` items ahead.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub fn new(
        source: impl Iterator<Item = T> + Send + 'static,
        depth: usize,
    ) -> std::io::Result<Self> {
        let (sender, items) = sync_channel(depth);
        let thread = Builder::new().name("prefetch".to_owned()).spawn(move || {
            for item in source {
                // The receiver is gone.
                if sender.send(item).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self {
            items: Some(items),
            thread: Some(thread),
            waited: Duration::ZERO,
        })
    }
}

impl<T> Prefetch<T> {
    /// How long `next` has waited so far.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Waits for the thread and passes its panic on.
    fn join(&mut self) {
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !std::thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let start = Instant::now();
        let item = self.items.as_ref()?.recv().ok();
        self.waited += start.elapsed();
        if item.is_none() {
            self.join();
        }
        item
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.items = None;
        self.join();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    #[test]
    fn items_come_in_order_and_all_of_them() {
        let items: Vec<u32> = Prefetch::new(0..1000, 3).unwrap().collect();
        assert!(items.into_iter().eq(0..1000));
    }

    #[test]
    fn items_are_made_while_one_is_in_use() {
        let (made, is_made) = channel();
        let source =
            (0..9).inspect(move |item: &u32| made.send(*item).expect("the test is listening"));
        let mut items = Prefetch::new(source, 2).unwrap();
        assert_eq!(items.next(), Some(0));
        // Without another call two more are made ready, and one is being made.
        for item in 0..4 {
            // An item made on demand would never arrive. Nothing else takes this long.
            let ahead = is_made.recv_timeout(Duration::from_secs(60));
            assert_eq!(ahead, Ok(item), "made ahead");
        }
    }

    #[test]
    fn dropping_it_stops_the_thread_soon() {
        let made = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&made);
        let source = (0..).inspect(move |_: &u64| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let mut items = Prefetch::new(source, 2).unwrap();
        assert_eq!(items.next(), Some(0));
        drop(items);
        // One was taken, two were ready, and one was being made.
        assert!(made.load(Ordering::Relaxed) <= 4);
    }

    #[test]
    #[should_panic(expected = "no more")]
    fn a_panic_of_the_thread_reaches_the_caller() {
        let source = (0..).map(|i| if i < 3 { i } else { panic!("no more") });
        Prefetch::new(source, 1).unwrap().for_each(drop);
    }
}
