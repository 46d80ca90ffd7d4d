/** Functions written in TypeScript and declared in a spec. */
import type { Arg, ExternItem } from '../parser/ast.js';
import { notBuilt } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { parameterEnv } from './arguments.js';
import { bindDeclared } from './declared-calls.js';
import type { Env, FileScope } from './env.js';
import { declaredOf, isOptionalOption, optionType, reportHidden } from './extern-addons.js';
import type { IrExtern, IrExternItem, IrNamed } from './ir.js';
import { isPath } from './data.js';
import { isTensorType, noBindings, resolveType } from './patterns.js';
import { symbol } from './dims/size.js';
import { irType } from './types.js';
import { unknownValue, value, type Value } from './value.js';

/** The file that declares it, as written after `extern`. */
export const moduleOf = (file: FileScope, item: ExternItem): string => {
  for (const decl of file.decls) {
    if (decl.kind === 'extern' && decl.items.includes(item)) return decl.module.value;
  }
  return '';
};

export const callExternFn = (
  env: Env,
  decl: ExternItem,
  file: FileScope,
  args: readonly Arg[],
  span: Span,
  piped: Value | null,
): Value => {
  const name = decl.name.text;
  const call = bindDeclared(env, decl, file, args, span, piped);
  if (!call) return unknownValue(span);
  const { bound, statics, bindings, inner } = call;
  const tensors = decl.params.filter((param) => isTensorType(param.type));
  const type = decl.result ? resolveType(inner, decl.result, bindings) : null;
  if (!type || type.kind === 'unknown') return unknownValue(span);
  const options: IrNamed[] = [...statics].flatMap(([param, found]) =>
    found.type.kind === 'none' ? [] : [{ name: param, value: found.ir }],
  );
  return value(span, type, {
    kind: 'op',
    home: `extern:${moduleOf(file, decl)}`,
    name,
    args: tensors.flatMap((param) => bound.get(param.name.text)?.ir ?? []),
    options,
    draw: null,
    free: false,
  });
};

/** The externs of a file, for the code that imports them. */
export const externsOf = (env: Env, file: FileScope): readonly IrExtern[] =>
  file.decls.flatMap((decl): IrExtern[] => {
    if (decl.kind !== 'extern') return [];
    const items: IrExternItem[] = [];
    for (const item of decl.items) {
      if (item.what === 'addon') {
        items.push(addonItem({ ...env, file, scope: file }, item));
        continue;
      }
      if (item.what !== 'fn' && item.what !== 'data') {
        env.checker.report(
          notBuilt(
            item.span,
            { what: `an extern ${item.what}` },
            { help: 'functions, data sources and add-ons can be written in TypeScript today' },
          ),
        );
        continue;
      }
      const bindings = noBindings();
      const inner = parameterEnv({ ...env, file, scope: file }, file, new Map());
      const free = (name: string) => symbol(name);
      const params = item.params.filter((param) => !isTensorType(param.type));
      const inputs = item.params.filter((param) => isTensorType(param.type));
      for (const param of params) {
        if (param.type.kind === 'namedType' && param.type.name.text === 'int')
          bindings.sizes.set(param.name.text, symbol(param.name.text));
      }
      items.push({
        span: item.span,
        doc: item.doc,
        what: item.what,
        name: item.name.text,
        params: params.map((param) => ({
          name: param.name.text,
          doc: param.doc,
          origin: 'declared',
          type: isPath(param.type)
            ? { kind: 'path' }
            : irType(resolveType(inner, param.type, bindings, free)),
          // A default of the spec is passed on, so that the function itself needs none.
          value: null,
        })),
        inputs: inputs.map((param) => ({
          name: param.name.text,
          type: irType(resolveType(inner, param.type, bindings, free)),
        })),
        result: item.result ? irType(resolveType(inner, item.result, bindings, free)) : { kind: 'none' },
        many: false,
      });
    }
    return [{ span: decl.span, module: decl.module.value, items }];
  });

/** An add-on: its options alone. What it declares is checked here, where it stands. */
const addonItem = (env: Env, item: ExternItem): IrExternItem => {
  reportHidden(env, item);
  const { many } = declaredOf(env, item);
  return {
    span: item.span,
    doc: item.doc,
    what: 'addon',
    name: item.name.text,
    params: item.params.map((param) => ({
      name: param.name.text,
      doc: param.doc,
      origin: 'declared',
      type: optionType(env, param.type),
      value: isOptionalOption(param.type)
        ? { kind: 'literal', value: null, span: param.span, type: { kind: 'none' } }
        : null,
    })),
    inputs: [],
    result: { kind: 'none' },
    many,
  };
};
