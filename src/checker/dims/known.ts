/** What is known about symbols. After this: what was said and what follows from it stand side by side, as one value. */
import type { Atom, Factor, Size } from './polynomial.js';

/** `left op right`; `a divides b` means `b % a == 0`, and the negations stand for a branch not taken. */
export type Relation = '==' | '<=' | '<' | 'divides' | '!=' | 'not divides';

/** A fact as it was said. */
export interface Fact {
  readonly left: Size;
  readonly relation: Relation;
  readonly right: Size;
}

/** An atom that an equality gives the value of; `value` mentions no defined atom. */
export interface Definition {
  readonly atom: Atom;
  readonly value: Size;
}

/** A product that an equality rewrites, where no single symbol could be solved for. */
export interface Rule {
  readonly product: readonly Factor[];
  readonly value: Size;
}

/** What follows from some facts; it never changes. `relevant.ts` chooses the facts. */
export interface Known {
  /** As declared: the least value of each symbol that is not simply at least 1. */
  readonly declared: ReadonlyMap<string, number>;
  /** All that was assumed, in order. */
  readonly given: readonly Fact[];
  /** Least values of atoms by key, the declared ones and those that follow. */
  readonly lowers: ReadonlyMap<string, number>;
  readonly definitions: ReadonlyMap<string, Definition>;
  readonly rules: readonly Rule[];
  /** Sizes known to be at least 0, without defined atoms. */
  readonly nonNegative: readonly Size[];
  /** The facts contradict each other: code under them never runs, and everything about it holds. */
  readonly impossible: boolean;
  /** There are more facts about these symbols than are looked at: numbers that meet these may break another. */
  readonly isCut: boolean;
}
