/**
 * What an expression needs to know of the place where it is written. After this: each name of the IR has one way to be
 * read there, and each import that is used is recorded.
 */
import { posix } from 'node:path';
import type { ts } from 'ts-morph';
import type { Ir, IrModule } from '../checker/ir.js';
import { type NameScope, camel, createNames } from './names.js';
import type { Tree } from './tree.js';

/** Values of `ztrain/runtime`. */
export const NAMESPACES = [
  'addons',
  'arrays',
  'copies',
  'data',
  'losses',
  'metrics',
  'nn',
  'ops',
  'optim',
  'rows',
  'schedules',
  'steps',
  'transforms',
  'units',
] as const;
export type RuntimeValue = (typeof NAMESPACES)[number] | 'Trainer';

/** Types of `ztrain/runtime`. */
const RUNTIME_TYPES = [
  'Clock',
  'Data',
  'Scalar',
  'Tensor',
  'Tensor1D',
  'Tensor2D',
  'Tensor3D',
  'Tensor4D',
  'Tensor5D',
  'Tensor6D',
  'TrainerSpec',
] as const;
export type RuntimeType = (typeof RUNTIME_TYPES)[number];

/** A failed assumption about the IR: a bug of the compiler, never of a spec. */
export class EmitError extends Error {
  override readonly name = 'EmitError';
}

/** Names that all emitted files share. */
export interface ProgramNames {
  readonly scope: NameScope;
  /** File of each class and const. */
  readonly homes: ReadonlyMap<string, string>;
  /** Emitted file names, in the order of the modules, without `.ts`. */
  readonly fileNames: readonly string[];
}

const classKey = (name: string): string => `class:${name}`;
const constKey = (name: string): string => `const:${name}`;

export const nameProgram = (ir: Ir): ProgramNames => {
  const scope = createNames([...NAMESPACES, ...RUNTIME_TYPES, 'Trainer']);
  const homes = new Map<string, string>();
  const files = new Set<string>();
  const fileNames = ir.modules.map((module) => {
    let name = module.name;
    for (let turn = 2; files.has(name.toLowerCase()); turn += 1) name = `${module.name}-${turn}`;
    files.add(name.toLowerCase());
    return name;
  });
  ir.modules.forEach((module, index) => {
    const file = fileNames[index] ?? module.name;
    for (const each of module.classes) {
      scope.declare(classKey(each.name), each.name);
      homes.set(classKey(each.name), file);
    }
  });
  if (ir.trainer !== null) scope.declare('trainer', ir.trainer.name);
  ir.modules.forEach((module, index) => {
    for (const each of module.consts) {
      scope.declare(constKey(each.name), camel(each.name));
      homes.set(constKey(each.name), fileNames[index] ?? module.name);
    }
  });
  return { scope, homes, fileNames };
};

/** One emitted file while it is written. */
export interface Unit {
  readonly tree: Tree;
  readonly ir: Ir;
  readonly names: NameScope;
  readonly usedValues: ReadonlySet<RuntimeValue>;
  readonly usedTypes: ReadonlySet<RuntimeType>;
  /** File name → identifiers imported from it. */
  readonly usedFiles: ReadonlyMap<string, ReadonlySet<string>>;
  /** Module specifier → alias. */
  readonly usedExterns: ReadonlyMap<string, string>;
  readonly value: (name: RuntimeValue) => ts.Expression;
  /** `ops.relu` */
  readonly export: (home: RuntimeValue, name: string) => ts.Expression;
  readonly type: (name: RuntimeType, args?: readonly ts.TypeNode[]) => ts.TypeNode;
  /** `nn.Dense` as a type. */
  readonly exportType: (home: RuntimeValue, name: string, args?: readonly ts.TypeNode[]) => ts.TypeNode;
  readonly classOf: (name: string) => string;
  readonly constant: (name: string) => ts.Expression;
  /** The namespace of an extern's file, `./corpus.ts` as written in a spec. */
  readonly extern: (module: string) => ts.Expression;
}

export interface UnitOptions {
  readonly tree: Tree;
  readonly ir: Ir;
  readonly program: ProgramNames;
  readonly module: IrModule;
  readonly fileName: string;
  /** From the folder of the emitted files to the folder of the main spec, `..`. */
  readonly specFolder: string;
}

/** `./corpus.ts` of a spec, as an import of an emitted file: `../corpus.js`. */
const externSpecifier = (options: UnitOptions, module: string): string => {
  const owners = [options.module, ...options.ir.modules];
  const owner =
    owners.find((each) => each.externs.some((extern) => extern.module === module)) ?? options.module;
  const joined = posix.join(options.specFolder, posix.dirname(owner.path), module);
  const relative = joined.startsWith('.') ? joined : `./${joined}`;
  return relative.replace(/\.(ts|tsx)$/, '.js').replace(/\.mts$/, '.mjs');
};

export const createUnit = (options: UnitOptions): Unit => {
  const { tree, program } = options;
  const names = program.scope.child();
  const usedValues = new Set<RuntimeValue>();
  const usedTypes = new Set<RuntimeType>();
  const usedFiles = new Map<string, Set<string>>();
  const usedExterns = new Map<string, string>();
  const shared = (key: string, what: string): string => {
    const name = program.scope.find(key);
    const home = program.homes.get(key);
    if (name === null || home === undefined)
      throw new EmitError(`no ${what} is declared under the key ${key}`);
    if (home !== options.fileName) {
      const used = usedFiles.get(home) ?? new Set<string>();
      usedFiles.set(home, used.add(name));
    }
    return name;
  };
  const value = (name: RuntimeValue): ts.Expression => {
    usedValues.add(name);
    return tree.id(name);
  };
  return {
    ir: options.ir,
    tree,
    names,
    usedValues,
    usedTypes,
    usedFiles,
    usedExterns,
    value,
    export: (home, name) => tree.member(value(home), camel(name)),
    type: (name, args) => {
      usedTypes.add(name);
      return tree.type(name, args);
    },
    exportType: (home, name, args) => {
      usedValues.add(home);
      return tree.type(`${home}.${name}`, args);
    },
    classOf: (name) => shared(classKey(name), 'class'),
    constant: (name) => tree.id(shared(constKey(name), 'const')),
    extern: (module) => {
      const specifier = externSpecifier(options, module);
      const base = posix
        .basename(specifier)
        .replace(/\.[^.]*$/, '')
        .replace(/[^A-Za-z0-9]+/g, '_');
      const wanted = base.replaceAll('_', '') === '' ? 'externs' : camel(base);
      const alias = names.declare(`extern:${specifier}`, wanted);
      usedExterns.set(specifier, alias);
      return tree.id(alias);
    },
  };
};

/** How names that are not locals are read in one place. */
export interface Readers {
  readonly param: (name: string) => ts.Expression;
  readonly option: (name: string) => ts.Expression;
  readonly dim: (name: string) => ts.Expression;
  readonly schedule: (name: string) => ts.Expression;
  readonly model: (name: string) => ts.Expression;
  /** A slot of the class at hand, `this.conv`, and whether it may be null. */
  readonly slot: (name: string) => { readonly value: ts.Expression; readonly conditional: boolean };
  /** A tensor of the batch, whose rows are counted. */
  readonly batchTensor: (batch: string) => ts.Expression;
}

export interface Place {
  readonly unit: Unit;
  readonly names: NameScope;
  readonly read: Readers;
  /** Locals that nothing reads, as `unreadIn` names them. */
  readonly unread: ReadonlySet<string>;
}

const unreadable =
  (what: string) =>
  (name: string): never => {
    throw new EmitError(`${what} ${JSON.stringify(name)} cannot be read here`);
  };

/** A place where only consts can be read, widened by `read`. */
export const createPlace = (
  unit: Unit,
  names: NameScope,
  read: Partial<Readers> = {},
  unread: ReadonlySet<string> = new Set(),
): Place => ({
  unit,
  names,
  unread,
  read: {
    param: unreadable('param'),
    option: unreadable('option'),
    dim: unreadable('size'),
    schedule: unreadable('schedule'),
    model: unreadable('model'),
    slot: unreadable('slot'),
    batchTensor: unreadable('batch'),
    ...read,
  },
});

/** The place of a closure: its own locals, everything else as outside. */
export const inside = (place: Place, unread: ReadonlySet<string> = place.unread): Place => ({
  ...place,
  names: place.names.child(),
  unread,
});

/** Names read from one record, to be taken apart at the top of a body: filled while the body is written. */
export interface Picked {
  readonly read: (name: string) => ts.Expression;
  readonly names: () => readonly { readonly key: string; readonly name: string }[];
  readonly isEmpty: () => boolean;
}

/**
 * `order` are all names in the order of their declaration; `keyOf` says how the record calls them. Identifiers are
 * taken for all of them at once, so that they do not depend on which are used.
 */
export const createPicked = (
  tree: Tree,
  scope: NameScope,
  prefix: string,
  order: readonly string[],
  keyOf: (name: string) => string,
): Picked => {
  const used = new Set<string>();
  for (const name of order) scope.declare(`${prefix}:${name}`, camel(name));
  return {
    read: (name) => {
      const identifier = scope.find(`${prefix}:${name}`);
      if (identifier === null) throw new EmitError(`${prefix} ${JSON.stringify(name)} is not declared`);
      used.add(name);
      return tree.id(identifier);
    },
    names: () =>
      order
        .filter((name) => used.has(name))
        .map((name) => ({ key: keyOf(name), name: scope.find(`${prefix}:${name}`) ?? camel(name) })),
    isEmpty: () => used.size === 0,
  };
};
