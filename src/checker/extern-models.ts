/** Models written in TypeScript: each stands for a model declaration whose graph is the TypeScript, whole. */
import type { Decl, ExternItem, ModelDecl, Signature } from '../parser/ast.js';
import { lookup, type Checker, type Env } from './env.js';
import { applySlot, realizeLayer } from './layers.js';
import { builtinOf } from './prelude.js';
import { isUnknown, unknownValue, type Value } from './value.js';

/** What a model takes and gives that does not say it, which is told where it is declared. Nothing is made of it. */
const unsaid = ({ id, span, name }: ExternItem): Signature => ({
  id,
  kind: 'signature',
  span,
  inputs: [],
  result: { id, kind: 'namedType', span, name: { ...name, text: 'f32' }, shape: null },
});

/** The declaration that an extern model stands for; null of another item. */
export const externModel = (checker: Checker, item: ExternItem): ModelDecl | null => {
  if (item.what !== 'model') return null;
  return checker.memo(item, 'model', (): ModelDecl => {
    const { id, doc, name, params, span } = item;
    const signature = item.signature ?? unsaid(item);
    // What is wrong with the result is told where it is declared: there is no other text.
    const result = { id, kind: 'ref' as const, name: name.text, span: signature.result.span };
    const body = { id, kind: 'graph' as const, span, statements: [], result, extern: item };
    return { id, kind: 'model', span, doc, allows: [], name, params, signature, body };
  });
};

export const externModels = (checker: Checker, decl: Decl): readonly ModelDecl[] =>
  decl.kind === 'extern' ? decl.items.flatMap((item) => externModel(checker, item) ?? []) : [];

const snake = (name: string): string => name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase();

const bound = (env: Env, name: string): Value | null => {
  const binding = lookup(env.scope, name);
  return binding?.kind === 'value' ? binding.value() : null;
};

/** What a model in TypeScript gives: one slot, whose weights have no name before theirs. */
export const externGraph = (env: Env, item: ExternItem): Value => {
  const sink = env.place.weights;
  const { span } = item;
  const params = new Map<string, Value>();
  for (const { name } of item.params) {
    const found = bound(env, name.text);
    // One without a default is told where it is declared.
    if (!found) return unknownValue(span);
    params.set(name.text, found);
  }
  const inputs = (item.signature?.inputs ?? []).flatMap(({ name }) => bound(env, name.text) ?? []);
  // What is no tensor is told where it is declared.
  const fine = inputs.every(({ type }) => type.kind === 'tensor') && ![...params.values()].some(isUnknown);
  if (!sink || !fine) return unknownValue(span);
  const builtin = { ...builtinOf(item), scope: env.file };
  const made = { builtin, bound: params, given: new Set<string>(), extras: new Map<string, Value>() };
  const applied = realizeLayer(env, made, inputs, span);
  if (!applied) return unknownValue(span);
  const { type, content, weights } = applied;
  const name = snake(item.name.text);
  sink.slots.push({ span, doc: null, name, named: true, when: null, content, whole: true });
  sink.weights.push(...weights.map((weight) => ({ ...weight, span: item.name.span })));
  return applySlot(span, type, sink.refer(name, false, false), inputs, null);
};
