/** How a trainer is prepared to run, and what there is of it then. */
import type { AddOn } from '../addons/addon.js';
import type { Copy } from '../copies/index.js';
import type { EngineName } from '../engine/choose.js';
import type { Engine } from '../engine/engine.js';
import type { Part } from '../nn/module.js';
import type { Attribute } from './attributes.js';
import type { Session } from './session.js';
import type { StageKind, StepPlan } from './steps.js';

/** A trainer that was prepared to run. */
export interface Prepared {
  readonly session: Session;
  readonly addOns: readonly AddOn[];
  /** Models by their names in the spec. */
  readonly models: ReadonlyMap<string, Part>;
  /** Models that have their weights from others, by name. */
  readonly copies: ReadonlyMap<string, Copy<never>>;
  /** What the user should know about the engine, or null. */
  readonly note: string | null;
  /** What `owner.option` of a command line is, and was before that; null where it is none of a data set, an optimizer or an add-on. */
  readonly attribute: (name: string) => Attribute | null;
}

/** How a trainer is prepared. */
export interface PrepareOptions {
  /** Which kinds of steps will run: data of other kinds is not opened. */
  readonly kinds: readonly StageKind[] | ((steps: readonly StepPlan[]) => readonly StageKind[]);
  /** Whose `limit` holds for all steps that run, instead of each kind's own. */
  readonly limitAs?: StageKind | undefined;
  /** Whether a run goes on that was begun before. */
  readonly goesOn?: boolean | undefined;
  /** Codes of warnings that were told of the spec as it is. */
  readonly warned?: readonly string[] | undefined;
  /** Where relative data paths start. */
  readonly dataRoot: string;
  /** Which engine to start (`auto` unless given), or one that was started. */
  readonly engine?: Engine | EngineName | undefined;
  readonly device?: string | undefined;
  readonly forcePrecision?: boolean | undefined;
  /** The version of the engine that a run which goes on was on, where `auto` stays. */
  readonly ranOn?: string | undefined;
}
