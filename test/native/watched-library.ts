/** The opened library with its objects counted, and with one call that fails where a test says so. */
import type { Address, NativeLibrary } from '../../src/runtime/engine/tensorflow/c-api.js';

type Native = (...given: unknown[]) => unknown;

/** What makes an object, by what frees it. */
const makers: Readonly<Record<string, readonly string[]>> = {
  TF_DeleteStatus: ['TF_NewStatus'],
  TFE_DeleteContextOptions: ['TFE_NewContextOptions'],
  TFE_DeleteContext: ['TFE_NewContext'],
  TF_DeleteDeviceList: ['TFE_ContextListDevices'],
  TF_DeleteTensor: ['TF_AllocateTensor', 'TFE_TensorHandleResolve'],
  TFE_DeleteTensorHandle: ['TFE_NewTensorHandle'],
  TFE_DeleteOp: ['TFE_NewOp'],
  TF_DeleteGraph: ['TF_NewGraph'],
  TF_FinishOperation: ['TF_NewOperation'],
  TF_DeleteFunction: ['TF_GraphToFunctionWithControlOutputs'],
  TF_DeleteBuffer: ['TF_GetAllOpList'],
};

export interface Failure {
  readonly code?: number;
  /** Only calls of this function count. */
  readonly name?: string;
  readonly words?: string;
}

export interface Watch {
  /** How many objects of each kind were made and not freed since the watch began, under what would free them. */
  alive(): Readonly<Record<string, number>>;
  /** The n-th call from now on that takes a status, counted from 0, fails. */
  fail(n: number, how?: Failure): void;
  /** What failed since then, or null where there were fewer calls. */
  failed(): string | null;
  end(): void;
}

const internal = 13;

/** Watches a library; `status` is one that is in use already. */
export function watch(library: NativeLibrary, statuses: readonly Address[]): Watch {
  const api = library.api as unknown as Record<string, Native>;
  const before = { ...api };
  const background = library.executeInBackground;
  const known = new Set<unknown>(statuses);
  const wrong = new Map<unknown, { readonly code: number; readonly words: string }>();
  const counts = new Map<string, number>();
  let left = Number.POSITIVE_INFINITY;
  let failure: Failure = {};
  let failed: string | null = null;
  const count = (kind: string, by: number): void => void counts.set(kind, (counts.get(kind) ?? 0) + by);
  /** Whether this call is the one that fails. A call that is made overwrites what its status held. */
  const fails = (name: string, status: unknown): boolean => {
    wrong.delete(status);
    const { code = internal, name: only = name, words = `injected into ${name}` } = failure;
    if (only !== name || left-- !== 0) return false;
    failed = name;
    wrong.set(status, { code, words });
    return true;
  };
  const countOutputs = ([, outputs]: readonly unknown[]): void => {
    if (!Array.isArray(outputs)) return;
    count('TFE_DeleteTensorHandle', outputs.filter((handle) => handle !== null).length);
  };
  for (const [name, call] of Object.entries(before)) {
    const made = Object.keys(makers).find((kind) => makers[kind]?.includes(name));
    api[name] = (...given) => {
      const status = given.at(-1);
      const asks = name === 'TF_GetCode' || name === 'TF_Message' || name === 'TF_DeleteStatus';
      if (name in makers && given[0] !== null) count(name, -1);
      const refused = !asks && known.has(status) && fails(name, status);
      // A description is freed by being finished, well or not.
      if (refused && name !== 'TF_FinishOperation') return null;
      if (name === 'TF_GetCode') return wrong.get(status)?.code ?? call(...given);
      if (name === 'TF_Message') return wrong.get(status)?.words ?? call(...given);
      const result = call(...given);
      if (made !== undefined && result !== null) count(made, 1);
      if (name === 'TF_NewStatus') known.add(result);
      if (name === 'TF_DeleteStatus') known.delete(status);
      if (name === 'TFE_Execute') countOutputs(given);
      return refused ? null : result;
    };
  }
  Object.assign(library, {
    executeInBackground: async (...given: Parameters<typeof background>) => {
      if (fails('executeInBackground', given[3])) return;
      await background(...given);
      countOutputs(given);
    },
  });
  return {
    alive: () => Object.fromEntries([...counts].filter(([, n]) => n !== 0)),
    fail: (n, how = {}) => {
      left = n;
      failure = how;
      failed = null;
    },
    failed: () => failed,
    end: () => {
      Object.assign(api, before);
      Object.assign(library, { executeInBackground: background });
    },
  };
}
