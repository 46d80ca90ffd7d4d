/** What a spec declares of its TypeScript, in the IR. */
import type { Span } from '../parser/source.js';
import type { IrField, IrNamed, IrOption, IrType } from './ir.js';

export interface IrExtern {
  readonly span: Span;
  /** The module as written, `./corpus.ts`. */
  readonly module: string;
  readonly items: readonly IrExternItem[];
}

export interface IrExternItem {
  readonly span: Span;
  readonly doc: string | null;
  readonly what: 'fn' | 'data' | 'metric' | 'optimizer' | 'schedule' | 'layer' | 'model' | 'addon';
  readonly name: string;
  readonly params: readonly IrOption[];
  /** Tensor arguments of a function, in order. */
  readonly inputs: readonly IrField[];
  /** What a function returns, the fields of one row of a data source, or a metric's number or numbers. */
  readonly result: IrType;
  /** Of an add-on: whether each of several is told its label. */
  readonly many: boolean;
  /** Of an add-on: effects that no other may have. */
  readonly effects?: readonly string[];
  /** Of a data source: whether it is live. */
  readonly live?: true;
  /** Of a data source whose fields are held against its TypeScript one by one. */
  readonly fields?: readonly {
    readonly name: string;
    readonly of: 'numbers' | 'gaps' | 'texts' | 'lists';
  }[];
  /** Of an optimizer: what it keeps for each weight. */
  readonly slots?: readonly string[];
  /** Of a schedule phase: whether it goes on from where the one before ended. */
  readonly starts?: boolean;
  /** Of a layer or model: its weights and states, `weight` or `inner.weight`. */
  readonly owns?: readonly { readonly path: string; readonly rank: number }[];
}

/** A layer or model in TypeScript as it is declared: sizes are names of its inputs and parameters, and those in `sizes`. */
export interface IrExternLayer {
  readonly what: 'layer' | 'model';
  readonly module: string;
  /** Params of the run in its sizes that it is not told. */
  readonly sizes: readonly IrNamed[];
  readonly takes: readonly (readonly string[])[];
  readonly gives: readonly string[];
  readonly weights: readonly { readonly name: string; readonly shape: readonly string[] }[];
  readonly state: readonly { readonly name: string; readonly shape: readonly string[] }[];
}
