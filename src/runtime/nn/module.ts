/**
 * Modules: a tree of named parts that own weights. All weights exist, named, once a model is constructed; a trainer then
 * attaches the tree under the model's name, and each weight has the path `Model.part.weight`, its key in checkpoints.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import { ranked } from '../tensor.js';
import { currentStep, enterModule } from '../trainer/step-context.js';
import { Weight, type Initializer } from './weight.js';

/** What a module is made of, for the trainer. */
export interface Parts {
  readonly children: ReadonlyMap<string, Part>;
  readonly weights: ReadonlyMap<string, Weight>;
}

/** Behind a symbol, so that no layer's name can collide with it. */
export const parts: unique symbol = Symbol('parts');

/** Anything that can be given a name inside a module. */
export interface Part {
  readonly [parts]: Parts;
  /** Called once, with the full path, when the trainer attaches the model. */
  [attached]?(path: string): void;
}

export const attached: unique symbol = Symbol('attached');

/**
 * A layer, block or model. A subclass adds its parts in its constructor and computes in `forward`; callers use `call`.
 * I are the inputs, O is the output.
 */
export abstract class Module<I extends readonly unknown[] = readonly unknown[], O = unknown> implements Part {
  readonly #children = new Map<string, Part>();
  readonly #weights = new Map<string, Weight>();
  #whole: Part | null = null;
  #path: string | null = null;

  /** Computes the output. Only inside a step. */
  call(...inputs: I): O {
    return enterModule(this.#path ?? this.constructor.name, () => this.forward(...inputs));
  }

  /** The same module, with random draws of its own: for a model that is called twice in one step. */
  as(label: string): { readonly call: (...inputs: I) => O } {
    return { call: (...inputs) => enterModule(`@${label}`, () => this.call(...inputs)) };
  }

  protected abstract forward(...inputs: I): O;

  /** Gives a part its name. Returns the part. */
  protected add<M extends Part>(name: string, part: M): M {
    this.#checkName(name);
    this.#children.set(name, part);
    return part;
  }

  /** Makes a part all that this module is made of: what the part owns has no name before it. Returns the part. */
  protected become<M extends Part>(part: M): M {
    if (this.#whole !== null || this.#children.size + this.#weights.size > 0)
      throw new Error(`${this.constructor.name} has parts already; it cannot be another part as a whole`);
    this.#whole = part;
    return part;
  }

  /** A figure of the data that the measure step `step` has found before training, or a checkpoint holds. Only in `forward`. */
  protected measured<T extends Tensor>(step: string, name: string): T {
    return ranked<T>(currentStep().figure(`${step}.${name}`).read());
  }

  /** A trained weight of this module itself. */
  protected addWeight<T extends Tensor>(
    name: string,
    shape: readonly number[],
    init: Initializer,
  ): Weight<T> {
    return this.#addWeight<T>(name, new Weight<T>(shape, true, init));
  }

  /** A value that is kept and saved but not trained. */
  protected addState<T extends Tensor>(name: string, shape: readonly number[], init: Initializer): Weight<T> {
    return this.#addWeight<T>(name, new Weight<T>(shape, false, init));
  }

  get [parts](): Parts {
    return this.#whole?.[parts] ?? { children: this.#children, weights: this.#weights };
  }

  [attached](path: string): void {
    if (this.#path !== null) {
      throw new Error(`a module cannot be both ${this.#path} and ${path}; make one for each place`);
    }
    this.#path = path;
    this.#whole?.[attached]?.(path);
  }

  #addWeight<T extends Tensor>(name: string, weight: Weight<T>): Weight<T> {
    this.#checkName(name);
    this.#weights.set(name, weight);
    return weight;
  }

  #checkName(name: string): void {
    if (name === '' || /[./@]/.test(name)) {
      throw new Error(`${JSON.stringify(name)} cannot name a part of a module; use letters, digits and _`);
    }
    if (this.#whole !== null)
      throw new Error(`${this.constructor.name} is another part as a whole; ${name} has no place in it`);
    if (this.#children.has(name) || this.#weights.has(name)) {
      throw new Error(`${this.constructor.name} already has a part named ${name}; give each its own name`);
    }
  }
}

/** A weight with its full path. */
export interface NamedWeight {
  readonly path: string;
  readonly weight: Weight;
}

/** Names every part below `part` and returns its weights in the order of construction. */
export function attach(part: Part, path: string): readonly NamedWeight[] {
  part[attached]?.(path);
  const { children, weights } = part[parts];
  return [
    ...[...weights].map(([name, weight]) => ({ path: `${path}.${name}`, weight })),
    ...[...children].flatMap(([name, child]) => attach(child, `${path}.${name}`)),
  ];
}

/** All weights below a part, without their names. */
export function weightsOf(part: Part): readonly Weight[] {
  const { children, weights } = part[parts];
  return [...weights.values(), ...[...children.values()].flatMap(weightsOf)];
}

/** A list of parts, named 0, 1, …; used by `for … of` or `at`. */
export class List<M extends Part> implements Part {
  readonly #items: readonly M[];

  constructor(items: readonly M[]) {
    this.#items = items;
  }

  get length(): number {
    return this.#items.length;
  }

  /** Item `index`. Throws where there is none. */
  at(index: number): M {
    const item = this.#items[index];
    if (item === undefined) throw new RangeError(`a list of ${this.length} modules has no number ${index}`);
    return item;
  }

  [Symbol.iterator](): Iterator<M> {
    return this.#items[Symbol.iterator]();
  }

  get [parts](): Parts {
    return {
      children: new Map(this.#items.map((item, index): [string, Part] => [String(index), item])),
      weights: new Map(),
    };
  }
}

/** Modules given, or made one by one. */
export function list<M extends Part>(items: readonly M[]): List<M>;
export function list<M extends Part>(count: number, make: (index: number) => M): List<M>;
export function list<M extends Part>(items: readonly M[] | number, make?: (index: number) => M): List<M> {
  if (typeof items !== 'number') return new List(items);
  if (!Number.isSafeInteger(items) || items < 0 || make === undefined) {
    throw new Error(`a list of modules takes a whole number of at least 0, got ${items}`);
  }
  return new List(Array.from({ length: items }, (_, index) => make(index)));
}

/** Several parts under one name: `group({ a: … }).a`. It computes nothing itself. */
export type Group<C extends Readonly<Record<string, Part>>> = C & Part;

export function group<C extends Readonly<Record<string, Part>>>(children: C): Group<C> {
  const entries = Object.entries(children);
  return Object.assign(
    { [parts]: { children: new Map(entries), weights: new Map<string, Weight>() } },
    children,
  );
}

/** A part that exists under the run's params. Throws where it does not. */
export function present<M>(part: M | null): M {
  if (part === null) {
    throw new Error(
      'a layer was called that does not exist under these params; this is a fault of the generated code',
    );
  }
  return part;
}
