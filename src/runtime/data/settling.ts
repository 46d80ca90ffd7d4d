/** Waiting for code of others, which may never come to an end, or longer than it is wanted. */

/** What waits, and what it is told where that is in vain. */
const waiting = new Set<() => void>();

const tellAll = (): void => {
  for (const tell of [...waiting]) tell();
};

/**
 * What `work` gives. Rejects where nothing is left in the process that could settle its promise: node would end there without a word, in the
 * middle of the run.
 */
export async function unlessStuck<T>(work: () => T | Promise<T>): Promise<T> {
  const made = work();
  if (!isThenable(made)) return made;
  return new Promise<T>((resolve, reject) => {
    const stuck = (): void =>
      reject(
        new Error(
          'nothing is left that could settle the promise it gave, so that it would be waited for without end; resolve it or reject it',
        ),
      );
    // One listener for all: node warns of many.
    if (waiting.size === 0) process.on('beforeExit', tellAll);
    waiting.add(stuck);
    void Promise.resolve(made)
      .then(resolve, reject)
      .finally(() => {
        waiting.delete(stuck);
        if (waiting.size === 0) process.off('beforeExit', tellAll);
      });
  });
}

/** What `work` gives, or a rejection with the signal's reason as soon as it is aborted; what becomes of the work then, nobody asks. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason);
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}

const isThenable = (made: unknown): boolean =>
  typeof made === 'object' && made !== null && 'then' in made && typeof made.then === 'function';
