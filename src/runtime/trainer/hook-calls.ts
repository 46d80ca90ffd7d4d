/** Add-ons at work, and how their hooks are called. */
import {
  stop,
  type Answer,
  type Ending,
  type Hooks,
  type MetricsLine,
  type QuietAnswer,
} from '../addons/addon.js';
import type { Profile } from '../progress/profile.js';
import { RunError } from '../run/run-error.js';
import type { Round } from './hook-round.js';
import type { Outputs } from './stage.js';

/** An add-on at work. */
export interface LiveAddOn {
  /** Its name for messages: that of the spec, if it has one, else its kind. */
  readonly kind: string;
  /** Its kind, under which checkpoints have its state; `kind` unless given. */
  readonly stateOf?: string;
  /** Whether `kind` is a name that tells it from others of `stateOf`; false unless given. */
  readonly hasOwnName?: boolean;
  /** Effects that it owns; none unless given. */
  readonly owns?: readonly string[];
  readonly hooks: Hooks<Answer>;
  /** Whether it is a part of every run, whose time is not told as that of an add-on. */
  readonly isOwn?: true;
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

const endsRun = (answer: Answer): boolean => answer === 'end-run' || typeof answer === 'object';

/** Add-ons that are being told of a line. */
const told = new WeakSet<Hooks<Answer>>();

/** Shows a line of metrics to add-ons, but not to those that write it while they are told of another: it would not end. */
export function tellLine(addOns: readonly LiveAddOn[], line: MetricsLine): void {
  for (const { kind, hooks } of addOns) {
    if (hooks.logged === undefined || told.has(hooks)) continue;
    told.add(hooks);
    try {
      hooks.logged(line);
    } catch (error) {
      throw hookError(kind, 'logged', error);
    } finally {
      told.delete(hooks);
    }
  }
}

/** Calls a hook of every add-on that has it, one after the other, and takes the time where that was asked for. */
export class HookCalls {
  /** The newest round that a checkpoint is to know of. */
  #round: Round | null = null;
  /** One that is half done, of a run that goes on in it. */
  #left: Round | null = null;

  constructor(
    readonly addOns: readonly LiveAddOn[],
    private readonly profile: Profile | null,
    /** The step that the run is at. */
    private readonly step: () => number,
    /** Whether an epoch has no end: then none can be asked to end. */
    private readonly isEndless = false,
  ) {}

  /** What a checkpoint keeps of the round that is under way, or the last. */
  get round(): Round | null {
    return this.#round;
  }

  /** The last round is over, and what it led to is done. */
  endRound(): void {
    this.#round = null;
  }

  /** Goes on in a round: who was called already is left out when its turn comes. */
  restore(round: Round | null): void {
    this.#round = round;
    this.#left = round;
  }

  /** With a `key`, checkpoints know how far it has got. */
  async each(
    hook: keyof Hooks,
    call: (hooks: Hooks<Answer>) => Promise<void> | void | undefined,
    key: string | null = null,
  ): Promise<void> {
    await this.#all(
      hook,
      async (hooks) => {
        await call(hooks);
        return undefined;
      },
      key,
    );
  }

  /**
   * What each of them answers: who ends the run without a reason has one that names it. Rejects with a HookError where one ends an epoch and
   * there are none, or ends the run and does not own that.
   */
  async ask(
    hook: keyof Hooks,
    call: (hooks: Hooks<Answer>) => Promise<Answer> | Answer,
    key: string | null = null,
  ): Promise<readonly (QuietAnswer | Ending)[]> {
    const asked = async (hooks: Hooks<Answer>, { owns = [] }: LiveAddOn): Promise<Answer> => {
      const answer = await call(hooks);
      if (endsRun(answer) && !owns.includes(stop))
        throw new Error(
          `it asks to end the run and does not own the effect "${stop}"; declare owns = ["${stop}"], which one add-on of a run may`,
        );
      if (answer === 'end-epoch' && this.isEndless)
        throw new Error(
          "it answered 'end-epoch', and live data has no epochs; answer 'end-run' to end the run, or nothing",
        );
      return answer;
    };
    const { called, answers } = await this.#all(hook, asked, key);
    return answers.map((answer, index) =>
      answer === 'end-run'
        ? { end: 'run', because: `add-on ${called[index] ?? ''} asked to end the run in ${hook}` }
        : answer,
    );
  }

  /** Calls it although something went wrong already: what goes wrong here is only told. */
  async eachAnyway(
    hook: keyof Hooks,
    call: (hooks: Hooks<Answer>) => Promise<void> | void | undefined,
    say: (problem: unknown) => void,
  ): Promise<void> {
    for (const { kind, hooks } of this.addOns)
      if (hooks[hook] !== undefined) await named(kind, hook, () => call(hooks)).catch(say);
  }

  async #all(
    hook: keyof Hooks,
    call: (hooks: Hooks<Answer>, of: LiveAddOn) => Promise<Answer>,
    key: string | null,
  ): Promise<Round> {
    const all = this.addOns.filter(({ hooks }) => hooks[hook] !== undefined);
    let round = this.#begin(key, all);
    const keep = (next: Round): void => {
      round = next;
      if (key !== null) this.#round = next;
    };
    keep(round);
    for (const live of all.slice(round.called.length)) {
      const { kind, hooks, isOwn = false } = live;
      const work = (): Promise<Answer> => named(kind, hook, () => call(hooks, live));
      const details = { hook, step: this.step() };
      const before = round;
      const called = [...before.called, kind];
      // Who saves when all of the step is done has done its part of it.
      if (hook === 'settled') keep({ ...before, called });
      try {
        const answer = await (this.profile === null || isOwn
          ? work()
          : this.profile.time({ name: `add-on ${kind}`, category: 'add-on', details }, work));
        keep({ ...before, called, answers: [...before.answers, answer] });
      } catch (error) {
        keep(before);
        throw error;
      }
    }
    return round;
  }

  /** A new round, or the one that was left half done, if it is of the same add-ons. */
  #begin(key: string | null, all: readonly LiveAddOn[]): Round {
    const left = this.#left;
    if (key !== null) this.#left = null;
    const isOurs =
      left !== null && left.key === key && left.called.every((kind, index) => all[index]?.kind === kind);
    return isOurs ? left : { key: key ?? '', called: [], answers: [] };
  }
}

/**
 * Runs a pass of a validate or test step. `show` shows add-ons the rows that the step returned for a batch; where there were any, they are told
 * at the end whether the rows are whole. Null where a signal cut the pass off.
 */
export async function evaluatedPass<T>(
  hooks: HookCalls,
  step: string,
  pass: (show: (rows: Outputs) => Promise<void>) => Promise<T | null>,
): Promise<T | null> {
  let isShown = false;
  const show = async (rows: Outputs): Promise<void> => {
    if (rows.size === 0) return;
    isShown = true;
    await hooks.each('evaluated', (own) => own.evaluated?.(step, rows));
  };
  // The first error is the one to tell.
  const takeBack = async (): Promise<void> => {
    if (isShown)
      await hooks.eachAnyway(
        'evaluateFailed',
        (own) => own.evaluateFailed?.(),
        () => undefined,
      );
  };
  const result = await pass(show).catch(async (error: unknown) => {
    await takeBack();
    throw error;
  });
  if (result === null) await takeBack();
  else if (isShown) await hooks.each('evaluateEnd', (own) => own.evaluateEnd?.(step));
  return result;
}
