/** What a command does where it is ended from outside. */
import { signalCodes, type EndSignal } from '../values/signals.js';

export const endSignals: readonly EndSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Has `clean` done where a signal ends this process, which then ends with the signal's code: a child would go on without it. Nothing in
 * `clean` may wait. Returns what takes it back.
 */
export const beforeSignalEnds = (clean: (signal: EndSignal) => void): (() => void) => {
  const onSignal = (signal: EndSignal): void => {
    try {
      clean(signal);
    } finally {
      process.exit(signalCodes[signal]);
    }
  };
  for (const signal of endSignals) process.on(signal, onSignal);
  return () => {
    for (const signal of endSignals) process.off(signal, onSignal);
  };
};
