/** What is known about symbols. After this: facts are a value, with what was said and what follows from it side by side. */
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

/** An immutable set of facts. Made by `withLower`, `assume` and `assumeNot` from `noFacts`. */
export interface Facts {
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
}

/** Nothing is known but that every symbol is at least 1. */
export const noFacts: Facts = {
  declared: new Map(),
  given: [],
  lowers: new Map(),
  definitions: new Map(),
  rules: [],
  nonNegative: [],
  impossible: false,
};
