/** `addon pretrained`: a part of a model, patterns and renamings, and whether its file is there. The paths are checked with the run. */
import type { Expr, Item } from '../parser/ast.js';
import { fileNotThere, renameForm, wrongKind, wrongType } from '../parser/messages.gen.js';
import { renamerOf, RenamingError } from '../values/renames.js';
import { sourceText } from './calls.js';
import { lookup, type Env } from './env.js';
import { checkExpr, kindOf } from './expressions.js';
import { folderOf, joinPath } from './host.js';
import type { IrExpr } from './ir.js';
import { literal, unknownValue, value, type Value } from './value.js';

/** `Net.backbone` as its names, or null where it is no path. */
const namesOf = (expr: Expr): readonly string[] | null => {
  if (expr.kind === 'ref') return [expr.name];
  if (expr.kind !== 'member') return null;
  const object = namesOf(expr.object);
  return object === null ? null : [...object, expr.name.text];
};

/** A model, or a part of one: its path, as in checkpoints. Which parts there are is checked with the run. */
const moduleOf = (env: Env, expr: Expr): Value => {
  const names = namesOf(expr);
  const [head, ...parts] = names ?? [];
  const binding = head === undefined ? null : lookup(env.scope, head);
  if (binding?.kind === 'decl' && (binding.decl.kind === 'model' || binding.decl.kind === 'modelAlias')) {
    env.checker.used.add(binding);
    return literal(expr.span, [binding.decl.name.text, ...parts].join('.'));
  }
  if (head !== undefined && !binding) {
    checkExpr(env, expr);
    return unknownValue(expr.span);
  }
  const models = env.file.decls.flatMap((decl) => (decl.kind === 'model' ? [decl.name.text] : []));
  const [first] = models;
  env.checker.report(
    wrongKind(
      expr.span,
      {
        name: names?.join('.') ?? sourceText(env, env.file, expr.span),
        found: binding ? kindOf(binding) : expr.kind === 'string' ? 'a string' : 'an expression',
        expected: 'a model or a part of one',
      },
      first === undefined ? {} : { help: `write its name alone: \`${first}\`, or \`${first}.part\`` },
    ),
  );
  return unknownValue(expr.span);
};

const listOf = (span: Expr['span'], items: readonly (IrExpr | null)[]): Value => {
  const known = items.filter((each) => each !== null);
  return known.length < items.length
    ? unknownValue(span)
    : value(span, { kind: 'setting', what: 'list' }, { kind: 'items', items: known });
};

const wrong = (env: Env, expr: Expr, what: string, expected: string): null => {
  const found = expr.kind === 'string' ? JSON.stringify(expr.value) : 'something else';
  env.checker.report(wrongType(expr.span, { what, found, expected }));
  return null;
};

const textOf = (env: Env, expr: Expr, what: string, expected: string): IrExpr | null =>
  expr.kind === 'string' && expr.value !== ''
    ? literal(expr.span, expr.value).ir
    : wrong(env, expr, what, expected);

/** `["fc.*", "**.extra"]` */
const patternsOf = (env: Env, what: string, expr: Expr): Value => {
  const items = expr.kind === 'list' ? expr.items : [expr];
  return listOf(
    expr.span,
    items.map((item) => textOf(env, item, `a pattern of ${what}`, 'a string like "fc.*"')),
  );
};

/** `[("conv1.*", "stem.*")]` */
const renamesOf = (env: Env, what: string, expr: Expr): Value => {
  const items = expr.kind === 'list' ? expr.items : [expr];
  return listOf(
    expr.span,
    items.map((item) => {
      const [first, second, ...more] = item.kind === 'tuple' ? item.items : [];
      if (first?.kind !== 'string' || second?.kind !== 'string' || more.length > 0)
        return wrong(env, item, `a renaming of ${what}`, 'a pair of strings like ("conv1.*", "stem.*")');
      const pair = { from: first, to: second };
      try {
        renamerOf({ from: first.value, to: second.value });
      } catch (error) {
        if (!(error instanceof RenamingError)) throw error;
        env.checker.report(renameForm(pair[error.side].span, { problem: error.message }));
        return null;
      }
      const fields = (['from', 'to'] as const).map((name) => ({
        name,
        value: literal(pair[name].span, pair[name].value).ir,
      }));
      return value(item.span, { kind: 'setting', what: 'renaming' }, { kind: 'record', fields }).ir;
    }),
  );
};

/** The value of an attribute that is written in a way of its own; null where the type asks for none of these. */
export const loadingValue = (env: Env, item: Item, expr: Expr, what: string): Value | null => {
  const type = item.type.kind === 'namedType' ? item.type.name.text : null;
  switch (type) {
    case 'module':
      return moduleOf(env, expr);
    case 'patterns':
      return patternsOf(env, what, expr);
    case 'renames':
      return renamesOf(env, what, expr);
    default:
      return null;
  }
};

/** Endings of what others save that is no safetensors file. */
const foreign = /\.(?:pt|pth|bin|pkl|h5|hdf5|keras|npz|npy|onnx|msgpack)$/i;

/** A file whose path is written out: that it is there, and what its ending says. */
export const checkWeightsFile = (env: Env, owner: string, from: Value | undefined): void => {
  const path = from?.constant;
  if (!from || typeof path !== 'string') return;
  const [ending] = foreign.exec(path) ?? [];
  if (ending !== undefined) {
    env.checker.report(
      wrongType(
        from.span,
        {
          what: `\`from\` of \`${owner}\``,
          found: `a \`${ending}\` file`,
          expected: 'a safetensors file, a checkpoint or a run',
        },
        { help: 'write it anew with `save_file` of `safetensors.torch` or `safetensors.numpy`' },
      ),
    );
    return;
  }
  if (from.span.file < 0 || env.checker.exists(joinPath(folderOf(env.file.file.source.path), path))) return;
  env.checker.report(
    fileNotThere(
      from.span,
      { what: 'file or run', path },
      { help: 'relative paths start in the folder of the spec, or where `--data-root` says' },
    ),
  );
};
