/** Where an expression stands: what its names mean, what is known of sizes there, and where its statements go. */
import type {
  AddonDecl,
  BlockDecl,
  DataDecl,
  Decl,
  ExternItem,
  FnDecl,
  ModelAliasDecl,
  ModelDecl,
  OptimizerDecl,
  ScheduleDecl,
} from '../parser/ast.js';
import type { Diagnostic } from '../parser/diagnostic.js';
import { positionAt, type Span } from '../parser/source.js';
import type { Facts } from './dims/facts.js';
import type { Size } from './dims/size.js';
import type { DType, IrExpr, IrExprKind, IrFirstRows, IrSlot, IrSlotRef, IrStepStmt, Stage } from './ir.js';
import type { Prelude } from './prelude.js';
import type { ProgramFile } from './program.js';
import type { Value } from './value.js';

/** A weight as seen from its model, with exact sizes. */
export interface Weight {
  readonly path: string;
  readonly span: Span;
  /** False where a part of its path was made up because the spec gave no name. */
  readonly named: boolean;
  readonly dtype: DType;
  readonly shape: readonly Size[];
  readonly trainable: boolean;
  /** How many there are of it, where a param's count repeats it. */
  readonly count: Size | null;
}

export type Declared =
  | FnDecl
  | BlockDecl
  | ModelDecl
  | ModelAliasDecl
  | DataDecl
  | ScheduleDecl
  | OptimizerDecl
  | AddonDecl
  | ExternItem;

export type Binding =
  | {
      readonly kind: 'value';
      readonly name: string;
      readonly span: Span;
      readonly what: string;
      readonly value: () => Value;
    }
  | {
      readonly kind: 'decl';
      readonly name: string;
      readonly span: Span;
      readonly decl: Declared;
      readonly file: FileScope;
    }
  | { readonly kind: 'layer'; readonly name: string; readonly span: Span; readonly layer: NamedLayer };

/** `layer e = embedding(…)`: weights with a name of their own, made once and called anywhere below. */
export interface NamedLayer {
  readonly name: string;
  readonly call: (env: Env, inputs: readonly Value[], span: Span) => Value;
  readonly weight: (env: Env, name: string, span: Span) => Value | null;
}

export interface Scope {
  readonly parent: Scope | null;
  readonly names: Map<string, Binding>;
}

/** The names of one file. */
export interface FileScope extends Scope {
  readonly file: ProgramFile;
  readonly isPrelude: boolean;
  readonly isMain: boolean;
  readonly decls: readonly Decl[];
}

export interface Checker {
  /** The first part of a data file, where it is there. */
  readonly readHead: (path: string) => string | null;
  /** Whether a data file is there. */
  readonly exists: (path: string) => boolean;
  readonly prelude: Prelude;
  readonly report: (diagnostic: Diagnostic) => void;
  /** Runs `body` and takes what it reports instead of printing it. */
  readonly capture: <T>(body: () => T) => { readonly result: T; readonly diagnostics: readonly Diagnostic[] };
  /** Classes and functions that are being checked: what names one of them from inside is recursion. */
  readonly open: { readonly classes: Set<object>; readonly others: Set<object> };
  /** The spec that runs, once its names are declared. */
  readonly main: { scope: FileScope | null };
  /** Declarations that something used, for the lint about the others. */
  readonly used: Set<Binding>;
  readonly noFacts: Facts;
  /** Memory of anything computed once for a key object. */
  readonly memo: <T>(key: object, what: string, make: () => T) => T;
}

/** Where statements and weights of an expression go. */
export interface Place {
  readonly kind: 'host' | 'graph' | 'step' | 'map';
  /** Statements made so far, in order. A nested region swaps this list. */
  statements: IrStepStmt[];
  readonly unique: (name: string) => string;
  /** The stable name of the next random draw at this place. */
  readonly draw: (name: string) => string;
  /** Of graphs: what has been given weights so far. */
  readonly weights: WeightSink | null;
  /** In a step: sizes of batches, `batch.size`, and of some of their rows, `part.rows`; a tensor that mentions one has rows. */
  readonly batchSizes: Set<string>;
  /** What a symbol of a size is in the emitted code. */
  readonly symbols: Map<string, IrExprKind>;
  /** Whether `run.step` and `run.epoch` can be read. */
  readonly clock: boolean;
  /** Whether values that may be missing can be read: in `map` and `step measure`. */
  readonly gaps: boolean;
  /** Whether functions that run on the host can be called: in `map`, and in a function that one may call. */
  readonly onHost: boolean;
  /** Rows of data sets that are read here, where some can be: in what an add-on shows. */
  readonly reads: FirstRows[] | null;
  /** Told when random numbers are drawn, or rows of a batch meet. */
  readonly notes: { random: boolean; meetsRows: Span | null };
  /** Of the step that is checked; null elsewhere. */
  readonly stage: Stage | null;
}

/** A data set's first rows, with their exact count. */
export type FirstRows = IrFirstRows & { readonly size: Size };

/** Collects the slots of one class, or of one turn of a `repeat`. */
export interface WeightSink {
  readonly slots: IrSlot[];
  readonly weights: Weight[];
  readonly names: Map<string, Span>;
  /** How a slot of this sink is reached from the code that applies it. */
  readonly refer: (slot: string, conditional: boolean, free: boolean) => IrSlotRef;
  /** The condition under which weights made now exist. */
  when: IrExpr | null;
  /** Who owns the weights, for messages. */
  readonly owner: string;
}

export interface Env {
  readonly checker: Checker;
  readonly file: FileScope;
  readonly scope: Scope;
  readonly facts: Facts;
  readonly place: Place;
  /** False in a use inside a class with free sizes: an example that breaks a condition proves nothing there. */
  readonly sure: boolean;
  /** True in a branch that is not taken, or may not be, where the params have their defaults. */
  readonly apart?: boolean;
  /** True in a branch that some params of the run take and others do not. */
  readonly conditional?: boolean;
}

export const childScope = (env: Env): Env => ({ ...env, scope: { parent: env.scope, names: new Map() } });

export const lookup = (scope: Scope, name: string): Binding | null => {
  for (let at: Scope | null = scope; at; at = at.parent) {
    const found = at.names.get(name);
    if (found) return found;
  }
  return null;
};

/** Data sets are kept under names that no other declaration can have. */
export const dataKey = (name: string): string => `data ${name}`;

/** A data set of this name, or whatever else has it. */
export const lookupData = (scope: Scope, name: string): Binding | null =>
  lookup(scope, dataKey(name)) ?? lookup(scope, name);

/** All names that can be seen, for suggestions. */
export const visibleNames = (scope: Scope): string[] => {
  const names: string[] = [];
  for (let at: Scope | null = scope; at; at = at.parent) names.push(...at.names.keys());
  return names.filter((name) => !name.includes(' '));
};

export const hostPlace = (): Place => makePlace('host', null, new Set());

export const makePlace = (
  kind: Place['kind'],
  weights: WeightSink | null,
  batchSizes: ReadonlySet<string>,
  region = '',
): Place => {
  const names = new Map<string, number>();
  const draws = new Map<string, number>();
  const next = (counts: Map<string, number>, name: string): string => {
    for (;;) {
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      const made = count === 1 ? name : `${name}${count}`;
      if (count === 1 || !counts.has(made)) {
        if (count > 1) counts.set(made, 1);
        return made;
      }
    }
  };
  return {
    kind,
    statements: [],
    unique: (name) => next(names, name),
    draw: (name) => next(draws, region === '' ? name : `${region}.${name}`),
    weights,
    batchSizes: new Set(batchSizes),
    symbols: new Map(),
    clock: kind === 'step',
    gaps: kind === 'map',
    onHost: kind === 'map',
    reads: null,
    notes: { random: false, meetsRows: null },
    stage: null,
  };
};

export const bindValue = (env: Env, name: string, span: Span, what: string, bound: Value): void => {
  env.scope.names.set(name, { kind: 'value', name, span, what, value: () => bound });
};

export const lineIn = (file: FileScope, span: Span): number => positionAt(file.file.source, span.start).line;
