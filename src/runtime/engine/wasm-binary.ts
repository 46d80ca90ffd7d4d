/**
 * The bytes of the WebAssembly engine. The bundler replaces this file by one that holds them, so that an executable is
 * one file; from source they are read from the installed package.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

/** The SIMD build of tfjs-backend-wasm. */
export async function loadWasmBinary(): Promise<Uint8Array> {
  const file = createRequire(import.meta.url).resolve(
    '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm',
  );
  return new Uint8Array(await readFile(file));
}
