/** The embedded engine: tfjs on WebAssembly (SIMD, one thread), with the kernels and gradients that training needs. */
import { engine } from '@tensorflow/tfjs-core';
import { BackendWasm, setWasmPaths, version_wasm } from '@tensorflow/tfjs-backend-wasm';
import { makeDeviceEngine } from './device-engine.js';
import type { Engine } from './engine.js';
import { registerGradients } from './gradients.js';
import { registerKernels } from './kernels.js';
import { loadWasmBinary } from './wasm-binary.js';
import { RunError } from '../run/run-error.js';

export interface EmbeddedOptions {
  /** The WebAssembly file's bytes, instead of the ones that belong to this runtime. */
  readonly wasmBinary?: Uint8Array | undefined;
  readonly notes?: readonly string[] | undefined;
}

/** How the version of this engine begins. */
export const embeddedName = 'tfjs-backend-wasm';

let ready: Promise<void> | null = null;

/**
 * Starts the embedded engine. The library has one device for each process, so a second engine shares the first one's; its
 * variables are its own.
 */
export async function createEmbeddedEngine(options: EmbeddedOptions = {}): Promise<Engine> {
  ready ??= start(options);
  await ready;
  return makeDeviceEngine({
    name: 'embedded',
    version: `${embeddedName} ${version_wasm} (simd)`,
    notes: options.notes,
    activate: () => {
      useBackend('wasm');
    },
  });
}

/** Makes a backend that has started the current one. */
export function useBackend(name: 'wasm' | 'symbolic' | 'tensorflow'): void {
  if (engine().backendName !== name) {
    // The library answers with a promise, but a backend that has started is set when the call returns.
    void engine().setBackend(name);
  }
}

async function start(options: EmbeddedOptions): Promise<void> {
  const binary = options.wasmBinary ?? (await loadWasmBinary());
  // The library takes addresses only; this one holds the bytes.
  const address = URL.createObjectURL(new Blob([Uint8Array.from(binary)], { type: 'application/wasm' }));
  setWasmPaths(
    {
      'tfjs-backend-wasm.wasm': address,
      'tfjs-backend-wasm-simd.wasm': address,
      'tfjs-backend-wasm-threaded-simd.wasm': address,
    },
    true,
  );
  registerKernels();
  registerGradients();
  const before = listeners();
  try {
    if (!(await engine().setBackend('wasm'))) {
      throw new Error('the WebAssembly engine did not start; Node 20 or later is needed');
    }
    refuseFullMemory();
  } finally {
    URL.revokeObjectURL(address);
    // The library's loader installs handlers that abort on any unhandled rejection: errors are the program's own matter.
    for (const [event, listener] of listeners()) {
      if (!before.some(([, known]) => known === listener)) {
        process.removeListener(event, listener);
      }
    }
  }
}

/**
 * What tensors may take. WebAssembly addresses 4 GiB; close to that the library's allocator gives addresses outside of the heap and
 * breaks, so the rest is left to what kernels need while they run.
 */
const mostBytes = 3 * 2 ** 30;

/** Says that the memory is full instead of writing where there is none. */
function refuseFullMemory(): void {
  const { backend } = engine();
  if (!(backend instanceof BackendWasm)) {
    throw new Error('the WebAssembly engine did not start');
  }
  // The library's types leave out what the module has of its loader.
  const module: object = backend.wasm;
  // The loader puts the allocator itself in place when it is first used.
  engine().tidy(() => {
    engine().makeTensor(Float32Array.of(0), [1], 'float32');
  });
  const allocate: unknown = Reflect.get(module, '_malloc');
  if (typeof allocate !== 'function') {
    throw new Error('the WebAssembly engine has no allocator');
  }
  Reflect.set(module, '_malloc', (size: number): number => {
    const { numBytes } = engine().memory();
    const fits = numBytes + size <= mostBytes;
    const address = fits ? Number(Reflect.apply(allocate, module, [size])) >>> 0 : 0;
    if (address === 0 && size > 0) {
      const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
      throw new RunError(
        `the engine's memory is full: ${mebibytes(size)} MiB were asked for with ${mebibytes(numBytes)} MiB in use; use a smaller batch or a smaller model`,
      );
    }
    return address;
  });
}

type Listener = (...args: unknown[]) => void;

function listeners(): readonly (readonly [string, Listener])[] {
  return ['uncaughtException', 'unhandledRejection'].flatMap((event) =>
    // Node types listeners as `Function`; these are called with the event's arguments.
    process.rawListeners(event).map((listener) => [event, listener as Listener] as const),
  );
}
