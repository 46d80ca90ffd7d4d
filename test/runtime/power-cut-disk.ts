/**
 * A disk with a cache that a power cut empties. Folders map names to nodes; every change of a name waits until its folder is
 * flushed, every byte until its file is. A cut keeps what was flushed, and any part of the rest.
 */
import { basename, dirname, relative } from 'node:path';

/** What a program asked of the disk. */
export interface DiskOp {
  readonly op: 'mkdir' | 'create' | 'open' | 'write' | 'sync' | 'rename' | 'link' | 'rm' | 'mark';
  readonly path?: string;
  readonly to?: string;
  readonly handle?: number;
  readonly bytes?: Uint8Array;
}

/** One change of a folder's names, made whole or not at all. */
interface NameChange {
  readonly remove: string | null;
  readonly add: readonly [string, Node] | null;
}

interface FileNode {
  readonly kind: 'file';
  bytes: Buffer;
  flushed: Buffer;
}

interface FolderNode {
  readonly kind: 'folder';
  readonly names: Map<string, Node>;
  readonly flushed: Map<string, Node>;
  waiting: NameChange[];
}

type Node = FileNode | FolderNode;

const folder = (): FolderNode => ({ kind: 'folder', names: new Map(), flushed: new Map(), waiting: [] });

const change = (names: Map<string, Node>, { remove, add }: NameChange): void => {
  if (remove !== null) names.delete(remove);
  if (add !== null) names.set(...add);
};

/** A small generator: the same fates each time. */
function random(seed: number): () => number {
  let state = seed * 2654435761 + 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export class Disk {
  readonly #root = folder();
  readonly #handles = new Map<number, Node>();
  readonly #marks = new Map<string, number>();

  /** What is outside of `base` is not looked at. */
  constructor(private readonly base: string) {}

  /** The number of the last mark of a kind; 0 where there was none. */
  marked(kind: string): number {
    return this.#marks.get(kind) ?? 0;
  }

  isFolder(handle: number): boolean {
    return this.#handles.get(handle)?.kind === 'folder';
  }

  apply({ op, path = '', to = '', handle = 0, bytes = new Uint8Array() }: DiskOp): void {
    switch (op) {
      case 'mark': {
        const [kind = '', number] = path.split(' ');
        this.#marks.set(kind, Number(number));
        return;
      }
      case 'mkdir':
        this.#name(path, folder());
        return;
      case 'create': {
        const made: FileNode = { kind: 'file', bytes: Buffer.alloc(0), flushed: Buffer.alloc(0) };
        this.#handles.set(handle, made);
        this.#name(path, made);
        return;
      }
      case 'open': {
        const found = this.#find(path);
        if (found !== null) this.#handles.set(handle, found);
        return;
      }
      case 'write': {
        const file = this.#handles.get(handle);
        if (file?.kind === 'file') file.bytes = Buffer.concat([file.bytes, bytes]);
        return;
      }
      case 'sync': {
        const node = this.#handles.get(handle);
        if (node?.kind === 'file') node.flushed = node.bytes;
        if (node?.kind !== 'folder') return;
        for (const each of node.waiting) change(node.flushed, each);
        node.waiting = [];
        return;
      }
      case 'rename':
      case 'link': {
        const node = this.#find(path);
        const parent = this.#find(dirname(to));
        if (node === null || parent?.kind !== 'folder') throw new Error(`the model lost ${path}`);
        if (dirname(path) !== dirname(to)) throw new Error('moved between folders');
        this.#change(parent, { remove: op === 'rename' ? basename(path) : null, add: [basename(to), node] });
        return;
      }
      case 'rm':
        this.#remove(path);
    }
  }

  #remove(path: string): void {
    const node = this.#find(path);
    if (node === null) return;
    if (node.kind === 'folder') for (const name of [...node.names.keys()]) this.#remove(`${path}/${name}`);
    const parent = this.#find(dirname(path));
    if (parent?.kind === 'folder') this.#change(parent, { remove: basename(path), add: null });
  }

  #change(parent: FolderNode, each: NameChange): void {
    change(parent.names, each);
    parent.waiting.push(each);
  }

  #name(path: string, node: Node): void {
    const parent = this.#find(dirname(path));
    if (parent?.kind === 'folder') this.#change(parent, { remove: null, add: [basename(path), node] });
  }

  #find(path: string): Node | null {
    const inside = relative(this.base, path);
    if (inside.startsWith('..')) return null;
    let node: Node = this.#root;
    for (const name of inside.split('/').filter((part) => part !== '')) {
      if (node.kind !== 'folder') return null;
      const next = node.names.get(name);
      if (next === undefined) return null;
      node = next;
    }
    return node;
  }

  /**
   * Folders (without bytes) and files that a cut now leaves, folders first. Seed 0 loses all that was not flushed, seed 1 nothing:
   * then only the process was killed.
   */
  afterCut(seed: number): readonly { readonly path: string; readonly bytes: Buffer | null }[] {
    const draw = random(seed);
    const luck = [0, 1][seed] ?? 0.6;
    const left: { readonly path: string; readonly bytes: Buffer | null }[] = [];
    const walk = (node: FolderNode, at: string): void => {
      const names = new Map(node.flushed);
      for (const each of node.waiting) if (draw() < luck) change(names, each);
      for (const [name, inner] of names) {
        const path = at === '' ? name : `${at}/${name}`;
        if (inner.kind === 'file') left.push({ path, bytes: this.#bytesAfterCut(inner, draw, luck) });
        else {
          left.push({ path, bytes: null });
          walk(inner, path);
        }
      }
    };
    walk(this.#root, '');
    return left;
  }

  /** Some of what was not flushed, or its length with zeros in it. */
  #bytesAfterCut({ bytes, flushed }: FileNode, draw: () => number, luck: number): Buffer {
    if (flushed.length === bytes.length || draw() >= luck) return flushed;
    if (luck === 1) return bytes;
    const cut = bytes.subarray(0, Math.floor(draw() * (bytes.length + 1)));
    return draw() < 0.5 ? cut : Buffer.concat([cut, Buffer.alloc(bytes.length - cut.length)]);
  }
}
