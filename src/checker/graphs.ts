/** Bodies of blocks, models and functions: statements in text order, then the result. */
import type { AssertStmt, Graph, LayerStmt, LetStmt } from '../parser/ast.js';
import { assertFails, shadowing, unused, wrongKind } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { coerce } from './arguments.js';
import { decide, factsWith } from './conditions.js';
import type { Facts } from './dims/facts.js';
import { lookup, type Env } from './env.js';
import { checkCondition, checkExpr, kindOf, recordValue } from './expressions.js';
import type { IrReduction } from './ir.js';
import { externGraph } from './extern-models.js';
import { nameLayer } from './layers.js';
import { present, withGap } from './missing.js';
import { isTensorType, matchType, noBindings, showWitness } from './patterns.js';
import { sourceText } from './calls.js';
import { isFinished } from './totals.js';
import { isUnknown, unknownValue, value, type Value } from './value.js';

export interface CheckedGraph {
  readonly value: Value;
  /** What holds at the end: asserts are preconditions. */
  readonly facts: Facts;
}

/** Gives a value a name of its own in the emitted code. Host constants and plain references stay as they are. */
export const hoist = (env: Env, name: string, found: Value): Value => {
  const { place } = env;
  if (found.fields) {
    const fields = new Map<string, Value>();
    for (const [key, field] of found.fields) fields.set(key, hoist(env, `${name}_${key}`, field));
    return recordValue(found.span, fields);
  }
  if (found.type.kind === 'unknown' || place.kind === 'host') return found;
  if (found.gap) {
    const made = hoist(env, name, present(found));
    return withGap(made, hoist(env, `${name}_missing`, found.gap));
  }
  if (found.total) {
    if (found.total.kind === 'leaf' && found.total.reduction.kind === 'named') return found;
    if (found.total.kind !== 'leaf') return found;
    const own = place.unique(name);
    const { reduction } = found.total;
    place.statements.push({ kind: 'reduce', span: found.span, name: own, value: reduction });
    const named: IrReduction = {
      span: found.span,
      kind: 'named',
      name: own,
      ...(isFinished(reduction) ? { finished: true } : {}),
    };
    return { ...found, total: { kind: 'leaf', reduction: named } };
  }
  const { ir } = found;
  const simple =
    ir.kind === 'literal' ||
    ir.kind === 'ref' ||
    ir.kind === 'batchSize' ||
    ir.kind === 'items' ||
    ir.kind === 'quantity';
  if (simple && !(ir.kind === 'items' && found.type.kind === 'list' && found.type.of.kind === 'tensor'))
    return found;
  if (found.items) return found;
  const own = place.unique(name);
  place.statements.push({ kind: 'let', span: found.span, name: own, value: found.ir });
  const local = value(found.span, found.type, { kind: 'ref', ref: { kind: 'local', name: own } });
  return { ...local, size: found.size, ratio: found.ratio, constant: found.constant };
};

/** Reports a name that hides another of the same file. What reads the name means the new one. */
export const checkFresh = (env: Env, name: string, span: Span): boolean => {
  const known = lookup(env.scope, name);
  if (!known || (known.kind === 'value' && known.what === 'size')) return true;
  env.checker.report(
    shadowing(
      span,
      { name },
      {
        related:
          known.span.file === span.file ? [{ span: known.span, label: `it is ${kindOf(known)} here` }] : [],
        help: 'choose another name',
      },
    ),
  );
  return false;
};

export const checkLet = (env: Env, statement: LetStmt): void => {
  const name = statement.name.text;
  let found = checkExpr(env, statement.value);
  if (statement.type && !isUnknown(found)) {
    const host = !isTensorType(statement.type) && statement.type.kind !== 'recordType';
    const own = host ? coerce(env, statement.type, found, `\`${name}\``) : found;
    if (own) found = own;
    const fits =
      own &&
      matchType(env, statement.type, found.type, noBindings(), {
        what: `\`${name}\``,
        span: statement.value.span,
      });
    if (!fits) found = unknownValue(statement.value.span);
  }
  checkFresh(env, name, statement.name.span);
  const bound = hoist(env, name, found);
  env.scope.names.set(name, {
    kind: 'value',
    name,
    span: statement.name.span,
    what: 'let',
    value: () => bound,
  });
};

/** An assert that fails is an error; one that may hold is a fact from here on. */
export const checkAssert = (env: Env, statement: AssertStmt, sure: boolean): Facts => {
  if (!checkCondition(env, statement.test)) return env.facts;
  const { verdict, witness, fix } = decide(env, statement.test);
  if (verdict === 'fails' || (verdict === 'refuted' && sure)) {
    env.checker.report(
      assertFails(
        statement.test.span,
        {
          text: sourceText(env, env.file, statement.test.span),
          where: statement.message ? `: ${statement.message.value}` : '',
        },
        {
          ...(witness && witness.values.length > 0 ? { notes: [`not so with ${showWitness(witness)}`] } : {}),
          ...(fix ? { help: `add \`where ${fix}\` to the param` } : {}),
        },
      ),
    );
    return env.facts;
  }
  return factsWith(env, statement.test);
};

const checkLayer = (env: Env, statement: LayerStmt): void => {
  checkFresh(env, statement.name.text, statement.name.span);
  if (!env.place.weights) {
    env.checker.report(
      wrongKind(statement.name.span, {
        name: statement.name.text,
        found: 'a layer',
        expected: 'something without weights',
      }),
    );
    return;
  }
  const layer = nameLayer(env, statement);
  if (layer)
    env.scope.names.set(statement.name.text, {
      kind: 'layer',
      name: statement.name.text,
      span: statement.name.span,
      layer,
    });
};

/** Lets and layers of a scope that nothing read. Called when its text has been gone through. */
export const reportUnusedLets = (env: Env): void => {
  for (const binding of env.scope.names.values()) {
    const kind = binding.kind === 'value' ? binding.what : binding.kind;
    if ((kind !== 'let' && kind !== 'layer') || env.checker.used.has(binding)) continue;
    const help =
      kind === 'let'
        ? 'leave it out'
        : `call it: \`${binding.name}(x)\`, or leave it out: nothing trains its weights`;
    env.checker.report(unused(binding.span, { kind, name: binding.name }, { help }));
  }
};

/** `env` must have a scope of its own. With `sure`, asserts must be shown to hold (a use); else they are taken as given. */
export const checkGraph = (env: Env, graph: Graph, sure = true): CheckedGraph => {
  if (graph.extern) return { value: externGraph(env, graph.extern), facts: env.facts };
  let at = env;
  for (const statement of graph.statements) {
    if (statement.kind === 'let') checkLet(at, statement);
    else if (statement.kind === 'layer') checkLayer(at, statement);
    else at = { ...at, facts: checkAssert(at, statement, sure) };
  }
  const result = checkExpr(at, graph.result);
  reportUnusedLets(env);
  return { value: result, facts: at.facts };
};
