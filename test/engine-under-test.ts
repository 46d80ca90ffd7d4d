/** The engine that tests of ops, layers and training run on: each test project names one. */
import { createEmbeddedEngine } from '../src/runtime/engine/embedded.js';
import type { Engine } from '../src/runtime/engine/engine.js';
import type { CompileMode } from '../src/runtime/engine/tensorflow/compiled-step.js';
import { libraryIn, type LibraryFiles } from '../src/runtime/engine/tensorflow/library-files.js';
import { createTensorFlowEngine } from '../src/runtime/engine/tensorflow/tensorflow-engine.js';

/** Where engines may differ, tests say how. */
export const nativeUnderTest = process.env['ZTRAIN_TEST_ENGINE'] === 'tensorflow';

/** The library that ZTRAIN_TENSORFLOW names. */
export function nativeLibrary(): LibraryFiles {
  const folder = process.env['ZTRAIN_TENSORFLOW'] ?? '';
  const files = libraryIn(folder) ?? libraryIn(`${folder}/tensorflow`);
  if (files === null)
    throw new Error(`ZTRAIN_TENSORFLOW (${folder}) names no folder with a TensorFlow library`);
  return files;
}

export function createNativeEngine(compile: CompileMode, loop?: boolean): Promise<Engine> {
  return createTensorFlowEngine({ files: nativeLibrary(), compile, loop });
}

export function createEngineUnderTest(): Promise<Engine> {
  if (!nativeUnderTest) return createEmbeddedEngine();
  const compile = process.env['ZTRAIN_TEST_COMPILE'];
  return createNativeEngine(compile === 'eager' || compile === 'xla' ? compile : 'graph');
}
