/**
 * Facts as they are said, and which of them concern a size. After this: a question costs what the facts about its symbols
 * cost, however many others a program has.
 */
import { type Comparison, derive } from './assume.js';
import type { Fact, Known } from './known.js';
import { type Size, symbolsOf } from './polynomial.js';

/** Up to this many, all facts are looked at for every question. */
const mostTogether = 64;
/** Of more than these, as many are looked at as are reached first from the symbols of a question. */
const mostConcerning = 16;

type Saying =
  | { readonly kind: 'lower'; readonly at: number; readonly name: string; readonly least: number }
  | { readonly kind: 'fact'; readonly at: number; readonly fact: Fact; readonly names: ReadonlySet<string> };

/** What was said after `before`. Only ever grows: facts that see less of it say how much. */
interface Log {
  readonly before: Facts | null;
  readonly sayings: Saying[];
  readonly byName: Map<string, Saying[]>;
  readonly known: Map<string, number>;
}

/** An immutable set of facts. Made by `withLower`, `assume` and `assumeNot` from `noFacts`. */
export interface Facts {
  readonly log: Log;
  /** How many were said, those before the log included. */
  readonly count: number;
  /** The facts contradict each other: code under them never runs, and everything about it holds. */
  readonly impossible: boolean;
  /** What was worked out from them, by the place of what it was worked out from. */
  readonly found: Map<string, Known>;
}

const newLog = (before: Facts | null): Log => ({
  before,
  sayings: [],
  byName: new Map(),
  known: new Map(),
});

/** Nothing is known but that every symbol is at least 1. */
export const noFacts: Facts = { log: newLog(null), count: 0, impossible: false, found: new Map() };

/** The logs with what these facts see of each, the last said first. */
function* logsOf(facts: Facts): Generator<{ readonly log: Log; readonly end: number }> {
  for (let at: Facts | null = facts; at; at = at.log.before) yield { log: at.log, end: at.count };
}

const isSaid = (facts: Facts, key: string): boolean => {
  for (const { log, end } of logsOf(facts)) if ((log.known.get(key) ?? end) < end) return true;
  return false;
};

const namesIn = (saying: Saying): Iterable<string> =>
  saying.kind === 'lower' ? [saying.name] : saying.names;

/** All that was said, or what is reached from these names, in order. */
const gather = (
  facts: Facts,
  names: Iterable<string> | null,
): { readonly sayings: readonly Saying[]; readonly isCut: boolean } => {
  const logs = [...logsOf(facts)];
  if (names === null) {
    const sayings = logs.reverse().flatMap(({ log, end }) => log.sayings.filter(({ at }) => at < end));
    return { sayings, isCut: false };
  }
  const sayings = new Set<Saying>();
  // What says something about a symbol that is seldom mentioned concerns it more.
  const mentioned = (name: string): number =>
    logs.reduce((sum, { log }) => sum + (log.byName.get(name)?.length ?? 0), 0);
  const reached = new Set([...names].sort((a, b) => mentioned(a) - mentioned(b)));
  let taken = 0;
  let isCut = false;
  for (const name of reached) {
    for (const { log, end } of logs) {
      for (const saying of log.byName.get(name) ?? []) {
        if (saying.at >= end) break;
        if (sayings.has(saying)) continue;
        if (saying.kind === 'fact' && taken >= mostConcerning) {
          isCut = true;
          break;
        }
        sayings.add(saying);
        if (saying.kind === 'fact') taken += 1;
        for (const other of namesIn(saying)) reached.add(other);
      }
    }
  }
  return { sayings: [...sayings].sort((a, b) => a.at - b.at), isCut };
};

const workOut = (facts: Facts, names: Iterable<string> | null): Known => {
  const { sayings, isCut } = gather(facts, names);
  const key = names === null ? 'all' : sayings.map(({ at }) => at).join(' ');
  const known = facts.found.get(key);
  if (known) return known;
  const declared = new Map<string, number>();
  for (const saying of sayings) if (saying.kind === 'lower') declared.set(saying.name, saying.least);
  const given = sayings.flatMap((saying) => (saying.kind === 'fact' ? [saying.fact] : []));
  const made = derive(declared, given, isCut);
  const result = facts.impossible ? { ...made, impossible: true } : made;
  facts.found.set(key, result);
  return result;
};

/** What is known about these sizes. */
export const about = (facts: Facts, ...sizes: readonly Size[]): Known =>
  facts.found.get('all') ??
  workOut(facts, facts.count <= mostTogether ? null : new Set(sizes.flatMap((size) => [...symbolsOf(size)])));

/** Appends where nothing else was said since; a branch starts a log of its own. */
const say = (facts: Facts, make: (at: number) => Saying, key: string | null): Facts => {
  const start = facts.log.before?.count ?? 0;
  const isNewest = start + facts.log.sayings.length === facts.count && facts !== noFacts;
  const log = isNewest ? facts.log : newLog(facts);
  const saying = make(facts.count);
  log.sayings.push(saying);
  if (key !== null) log.known.set(key, facts.count);
  for (const name of namesIn(saying)) {
    const list = log.byName.get(name);
    if (list) list.push(saying);
    else log.byName.set(name, [saying]);
  }
  return { log, count: facts.count + 1, impossible: facts.impossible, found: new Map() };
};

/** Declares the least value of a symbol; -Infinity for one that may be anything. Undeclared symbols are at least 1. */
export const withLower = (facts: Facts, symbolName: string, lower: number): Facts =>
  withContradiction(
    say(facts, (at) => ({ kind: 'lower', at, name: symbolName, least: lower }), null),
    [symbolName],
  );

const withContradiction = (facts: Facts, names: Iterable<string>): Facts =>
  !facts.impossible && workOut(facts, facts.count <= mostTogether ? null : names).impossible
    ? { ...facts, impossible: true, found: new Map() }
    : facts;

const withFact = (facts: Facts, fact: Fact): Facts => {
  const { left, relation, right } = fact;
  if (!left.known || !right.known) return facts;
  const key = `${relation} ${left.key} , ${right.key}`;
  if (isSaid(facts, key)) return facts;
  const names = new Set([...symbolsOf(left), ...symbolsOf(right)]);
  return withContradiction(
    say(facts, (at) => ({ kind: 'fact', at, fact, names }), key),
    names,
  );
};

/** The facts with one more. A contradiction makes them `impossible`. */
export const assume = (facts: Facts, left: Size, op: Comparison, right: Size): Facts =>
  withFact(facts, { left, relation: op, right });

/** The facts with the opposite of one: what holds in the branch not taken. */
export const assumeNot = (facts: Facts, left: Size, op: Comparison, right: Size): Facts => {
  switch (op) {
    case '<=':
      return withFact(facts, { left: right, relation: '<', right: left });
    case '<':
      return withFact(facts, { left: right, relation: '<=', right: left });
    case '==':
      return withFact(facts, { left, relation: '!=', right });
    case 'divides':
      return withFact(facts, { left, relation: 'not divides', right });
  }
};
