/** Add-ons at work, and how their hooks are called. */
import type { Hooks, MetricsLine } from '../addons/addon.js';
import { RunError } from '../run/run-error.js';

/** An add-on at work, with its name for messages. */
export interface LiveAddOn {
  readonly kind: string;
  readonly hooks: Hooks;
}

/** A hook that threw. */
export class HookError extends RunError {}

/** Runs a hook; an error says whose it is. */
export async function named<T>(kind: string, hook: string, call: () => Promise<T> | T): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw hookError(kind, hook, error);
  }
}

function hookError(kind: string, hook: string, error: unknown): RunError {
  if (error instanceof RunError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new HookError(`add-on ${kind} failed in ${hook}: ${message}`, { cause: error });
}

/** Shows a line of metrics to add-ons, but not to the one that wrote it. */
export function tellLine(addOns: readonly LiveAddOn[], line: MetricsLine): void {
  for (const { kind, hooks } of addOns) {
    try {
      hooks.logged?.(line);
    } catch (error) {
      throw hookError(kind, 'logged', error);
    }
  }
}
