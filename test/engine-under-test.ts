/** The engine that tests of ops, layers and training run on: the embedded one, or with ZTRAIN_TEST_ENGINE=tensorflow the native one. */
import { createEmbeddedEngine } from '../src/runtime/engine/embedded.js';
import type { Engine } from '../src/runtime/engine/engine.js';
import { libraryIn } from '../src/runtime/engine/tensorflow/library-files.js';
import { createTensorFlowEngine } from '../src/runtime/engine/tensorflow/tensorflow-engine.js';

export async function createEngineUnderTest(): Promise<Engine> {
  if (process.env['ZTRAIN_TEST_ENGINE'] !== 'tensorflow') return createEmbeddedEngine();
  const files = libraryIn(process.env['ZTRAIN_TENSORFLOW'] ?? '');
  if (files === null) throw new Error('ZTRAIN_TENSORFLOW names no folder with a TensorFlow library');
  const compile = process.env['ZTRAIN_TEST_COMPILE'];
  return createTensorFlowEngine({
    files,
    compile: compile === 'eager' || compile === 'xla' ? compile : 'graph',
  });
}
