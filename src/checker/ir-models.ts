/** The models of a run and the optimizers that own their weights, in the IR. */
import type { Span } from '../parser/source.js';
import type { IrNamed } from './ir.js';

export interface IrModel {
  readonly span: Span;
  /** Of the spec: key in checkpoints. */
  readonly name: string;
  /** The class whose graph it has: its own name, unless it is made from another model. */
  readonly class: string;
  readonly options: readonly IrNamed[];
  /** How it has its weights from another model; null where they are its own. */
  readonly copy: IrCopy | null;
}

export interface IrCopy {
  readonly span: Span;
  /** `ema`, `average`, `frozen`. */
  readonly kind: string;
  readonly of: string;
  readonly options: readonly IrNamed[];
  /** The model is not there: nothing needs it but this and other frozen copies, which begin as it would. */
  readonly alone?: true;
}

export interface IrPattern {
  readonly span: Span;
  readonly pattern: string;
}

/** Weights by patterns over paths below the model: those that match, but for the excepted. */
export interface IrMatching {
  readonly match: readonly IrPattern[];
  readonly except: readonly IrPattern[];
}

export interface IrOptimizer {
  readonly span: Span;
  readonly doc: string | null;
  readonly name: string;
  readonly kind: string;
  /** Where it is written in TypeScript: its file, the slots that it keeps for each weight, and options of its own. */
  readonly extern?: {
    readonly module: string;
    readonly slots: readonly string[];
    readonly options: readonly IrNamed[];
  };
  /** `taken` where it is that of the optimizer which this one amends. */
  readonly of: readonly { readonly span: Span; readonly model: string; readonly taken?: true }[];
  /** Null: all weights of its models. */
  readonly owns: IrMatching | null;
  readonly options: readonly IrNamed[];
  readonly groups: readonly IrGroup[];
  /** Models of `of` that it leaves as they are: what it owns of them is frozen for the whole run. */
  readonly kept?: readonly string[];
}

export interface IrGroup extends IrMatching {
  readonly span: Span;
  readonly name: string;
  readonly options: readonly IrNamed[];
}

/** `own`: a slot of this class. `item`: the turn's module of a fold, or a slot of its group. */
export type IrSlotRef =
  | { readonly kind: 'own'; readonly slot: string; readonly conditional: boolean; readonly free: boolean }
  | {
      readonly kind: 'item';
      readonly item: string;
      readonly slot: string | null;
      readonly conditional: boolean;
      readonly free: boolean;
    };
