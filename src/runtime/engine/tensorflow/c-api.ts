/**
 * TensorFlow's C library as typed functions. Everything that is a raw address stays in this folder; every call that can fail
 * takes a status, which `status.ts` turns into an error.
 */
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { largeMemory } from './large-memory.js';
import type { LibraryFiles } from './library-files.js';
import { loadKoffi, type ForeignFunctions, type OpenedLibrary } from './foreign-functions.js';

/** An address, or null. */
export type Address = bigint | null;

/** One output of an operation of a graph. */
export interface Output {
  readonly oper: Address;
  readonly index: number;
}

type Bytes = Uint8Array;

/** The functions that the engine calls, under the names of the C header. */
export interface CApi {
  TF_Version(): string;
  TF_NewStatus(): Address;
  TF_DeleteStatus(status: Address): void;
  TF_GetCode(status: Address): number;
  TF_Message(status: Address): string;

  TFE_NewContextOptions(): Address;
  TFE_DeleteContextOptions(options: Address): void;
  TFE_ContextOptionsSetConfig(options: Address, proto: Bytes, length: number, status: Address): void;
  TFE_NewContext(options: Address, status: Address): Address;
  TFE_DeleteContext(context: Address): void;
  TFE_ContextListDevices(context: Address, status: Address): Address;
  TF_DeviceListCount(list: Address): number;
  TF_DeviceListName(list: Address, index: number, status: Address): string;
  TF_DeviceListType(list: Address, index: number, status: Address): string;
  TF_DeleteDeviceList(list: Address): void;

  TF_AllocateTensor(type: number, dims: BigInt64Array, rank: number, bytes: number): Address;
  TF_TensorData(tensor: Address): Address;
  TF_TensorByteSize(tensor: Address): number;
  TF_DeleteTensor(tensor: Address): void;

  TFE_NewTensorHandle(tensor: Address, status: Address): Address;
  TFE_DeleteTensorHandle(handle: Address): void;
  TFE_TensorHandleResolve(handle: Address, status: Address): Address;
  TFE_TensorHandleNumDims(handle: Address, status: Address): number;
  TFE_TensorHandleDim(handle: Address, axis: number, status: Address): number;
  TFE_TensorHandleDataType(handle: Address): number;

  TFE_NewOp(context: Address, name: string, status: Address): Address;
  TFE_DeleteOp(op: Address): void;
  TFE_OpSetDevice(op: Address, device: string, status: Address): void;
  TFE_OpAddInput(op: Address, handle: Address, status: Address): void;
  TFE_OpAddInputList(op: Address, handles: readonly Address[], count: number, status: Address): void;
  TFE_OpSetAttrString(op: Address, name: string, value: Bytes, length: number): void;
  TFE_OpSetAttrInt(op: Address, name: string, value: number): void;
  TFE_OpSetAttrFloat(op: Address, name: string, value: number): void;
  TFE_OpSetAttrBool(op: Address, name: string, value: number): void;
  TFE_OpSetAttrType(op: Address, name: string, value: number): void;
  TFE_OpSetAttrShape(op: Address, name: string, dims: BigInt64Array, rank: number, status: Address): void;
  TFE_OpSetAttrIntList(op: Address, name: string, values: BigInt64Array, count: number): void;
  TFE_OpSetAttrFunctionName(op: Address, name: string, value: string, length: number): void;
  TFE_Execute(op: Address, outputs: Address[], count: number[], status: Address): void;

  TF_NewGraph(): Address;
  TF_DeleteGraph(graph: Address): void;
  TF_NewOperation(graph: Address, type: string, name: string): Address;
  TF_AddInput(description: Address, input: Output): void;
  TF_AddInputList(description: Address, inputs: readonly Output[], count: number): void;
  TF_AddControlInput(description: Address, operation: Address): void;
  TF_SetAttrString(description: Address, name: string, value: Bytes, length: number): void;
  TF_SetAttrInt(description: Address, name: string, value: number): void;
  TF_SetAttrFloat(description: Address, name: string, value: number): void;
  TF_SetAttrBool(description: Address, name: string, value: number): void;
  TF_SetAttrType(description: Address, name: string, value: number): void;
  TF_SetAttrShape(description: Address, name: string, dims: BigInt64Array, rank: number): void;
  TF_SetAttrIntList(description: Address, name: string, values: BigInt64Array, count: number): void;
  TF_SetAttrTypeList(description: Address, name: string, values: Int32Array, count: number): void;
  TF_SetAttrFuncName(description: Address, name: string, value: string, length: number): void;
  TF_SetAttrTensor(description: Address, name: string, tensor: Address, status: Address): void;
  TF_FinishOperation(description: Address, status: Address): Address;
  TF_OperationNumOutputs(operation: Address): number;
  TF_OperationOutputType(output: Output): number;
  TF_GraphGetTensorNumDims(graph: Address, output: Output, status: Address): number;
  TF_GraphGetTensorShape(
    graph: Address,
    output: Output,
    dims: BigInt64Array,
    rank: number,
    status: Address,
  ): void;
  TF_GraphSetTensorShape(
    graph: Address,
    output: Output,
    dims: BigInt64Array,
    rank: number,
    status: Address,
  ): void;
  TF_GraphCopyFunction(graph: Address, fn: Address, gradient: Address, status: Address): void;
  TF_GraphToFunctionWithControlOutputs(
    graph: Address,
    name: string,
    appendHash: number,
    operationCount: number,
    operations: null,
    inputCount: number,
    inputs: readonly Output[],
    outputCount: number,
    outputs: readonly Output[],
    outputNames: null,
    controlCount: number,
    controls: readonly Address[],
    controlNames: null,
    options: Address,
    description: null,
    status: Address,
  ): Address;
  TF_FunctionSetAttrValueProto(
    fn: Address,
    name: string,
    proto: Bytes,
    length: number,
    status: Address,
  ): void;
  TF_DeleteFunction(fn: Address): void;
  TFE_ContextAddFunction(context: Address, fn: Address, status: Address): void;
  TFE_ContextRemoveFunction(context: Address, name: string, status: Address): void;
  TF_NewBuffer(): Address;
  TF_GraphGetOpDef(graph: Address, name: string, definition: Address, status: Address): void;
  TF_DeleteBuffer(buffer: Address): void;
}

const declarations: Readonly<Record<keyof CApi, string>> = {
  TF_Version: 'const char* TF_Version()',
  TF_NewStatus: 'void* TF_NewStatus()',
  TF_DeleteStatus: 'void TF_DeleteStatus(void*)',
  TF_GetCode: 'int TF_GetCode(void*)',
  TF_Message: 'const char* TF_Message(void*)',
  TFE_NewContextOptions: 'void* TFE_NewContextOptions()',
  TFE_DeleteContextOptions: 'void TFE_DeleteContextOptions(void*)',
  TFE_ContextOptionsSetConfig: 'void TFE_ContextOptionsSetConfig(void*, const void*, size_t, void*)',
  TFE_NewContext: 'void* TFE_NewContext(void*, void*)',
  TFE_DeleteContext: 'void TFE_DeleteContext(void*)',
  TFE_ContextListDevices: 'void* TFE_ContextListDevices(void*, void*)',
  TF_DeviceListCount: 'int TF_DeviceListCount(void*)',
  TF_DeviceListName: 'const char* TF_DeviceListName(void*, int, void*)',
  TF_DeviceListType: 'const char* TF_DeviceListType(void*, int, void*)',
  TF_DeleteDeviceList: 'void TF_DeleteDeviceList(void*)',
  TF_AllocateTensor: 'void* TF_AllocateTensor(int, const int64_t*, int, size_t)',
  TF_TensorData: 'void* TF_TensorData(void*)',
  TF_TensorByteSize: 'size_t TF_TensorByteSize(void*)',
  TF_DeleteTensor: 'void TF_DeleteTensor(void*)',
  TFE_NewTensorHandle: 'void* TFE_NewTensorHandle(void*, void*)',
  TFE_DeleteTensorHandle: 'void TFE_DeleteTensorHandle(void*)',
  TFE_TensorHandleResolve: 'void* TFE_TensorHandleResolve(void*, void*)',
  TFE_TensorHandleNumDims: 'int TFE_TensorHandleNumDims(void*, void*)',
  TFE_TensorHandleDim: 'int64_t TFE_TensorHandleDim(void*, int, void*)',
  TFE_TensorHandleDataType: 'int TFE_TensorHandleDataType(void*)',
  TFE_NewOp: 'void* TFE_NewOp(void*, const char*, void*)',
  TFE_DeleteOp: 'void TFE_DeleteOp(void*)',
  TFE_OpSetDevice: 'void TFE_OpSetDevice(void*, const char*, void*)',
  TFE_OpAddInput: 'void TFE_OpAddInput(void*, void*, void*)',
  TFE_OpAddInputList: 'void TFE_OpAddInputList(void*, void**, int, void*)',
  TFE_OpSetAttrString: 'void TFE_OpSetAttrString(void*, const char*, const void*, size_t)',
  TFE_OpSetAttrInt: 'void TFE_OpSetAttrInt(void*, const char*, int64_t)',
  TFE_OpSetAttrFloat: 'void TFE_OpSetAttrFloat(void*, const char*, float)',
  TFE_OpSetAttrBool: 'void TFE_OpSetAttrBool(void*, const char*, uint8_t)',
  TFE_OpSetAttrType: 'void TFE_OpSetAttrType(void*, const char*, int)',
  TFE_OpSetAttrShape: 'void TFE_OpSetAttrShape(void*, const char*, const int64_t*, int, void*)',
  TFE_OpSetAttrIntList: 'void TFE_OpSetAttrIntList(void*, const char*, const int64_t*, int)',
  TFE_OpSetAttrFunctionName: 'void TFE_OpSetAttrFunctionName(void*, const char*, const char*, size_t)',
  TFE_Execute: 'void TFE_Execute(void*, _Inout_ void**, _Inout_ int*, void*)',
  TF_NewGraph: 'void* TF_NewGraph()',
  TF_DeleteGraph: 'void TF_DeleteGraph(void*)',
  TF_NewOperation: 'void* TF_NewOperation(void*, const char*, const char*)',
  TF_AddInput: 'void TF_AddInput(void*, TF_Output)',
  TF_AddInputList: 'void TF_AddInputList(void*, const TF_Output*, int)',
  TF_AddControlInput: 'void TF_AddControlInput(void*, void*)',
  TF_SetAttrString: 'void TF_SetAttrString(void*, const char*, const void*, size_t)',
  TF_SetAttrInt: 'void TF_SetAttrInt(void*, const char*, int64_t)',
  TF_SetAttrFloat: 'void TF_SetAttrFloat(void*, const char*, float)',
  TF_SetAttrBool: 'void TF_SetAttrBool(void*, const char*, uint8_t)',
  TF_SetAttrType: 'void TF_SetAttrType(void*, const char*, int)',
  TF_SetAttrShape: 'void TF_SetAttrShape(void*, const char*, const int64_t*, int)',
  TF_SetAttrIntList: 'void TF_SetAttrIntList(void*, const char*, const int64_t*, int)',
  TF_SetAttrTypeList: 'void TF_SetAttrTypeList(void*, const char*, const int*, int)',
  TF_SetAttrFuncName: 'void TF_SetAttrFuncName(void*, const char*, const char*, size_t)',
  TF_SetAttrTensor: 'void TF_SetAttrTensor(void*, const char*, void*, void*)',
  TF_FinishOperation: 'void* TF_FinishOperation(void*, void*)',
  TF_OperationNumOutputs: 'int TF_OperationNumOutputs(void*)',
  TF_OperationOutputType: 'int TF_OperationOutputType(TF_Output)',
  TF_GraphGetTensorNumDims: 'int TF_GraphGetTensorNumDims(void*, TF_Output, void*)',
  TF_GraphGetTensorShape: 'void TF_GraphGetTensorShape(void*, TF_Output, _Out_ int64_t*, int, void*)',
  TF_GraphSetTensorShape: 'void TF_GraphSetTensorShape(void*, TF_Output, const int64_t*, int, void*)',
  TF_GraphCopyFunction: 'void TF_GraphCopyFunction(void*, void*, void*, void*)',
  TF_GraphToFunctionWithControlOutputs:
    'void* TF_GraphToFunctionWithControlOutputs(void*, const char*, uint8_t, int, const void*, int, const TF_Output*, int, const TF_Output*, const void*, int, void**, const void*, const void*, const char*, void*)',
  TF_FunctionSetAttrValueProto:
    'void TF_FunctionSetAttrValueProto(void*, const char*, const void*, size_t, void*)',
  TF_DeleteFunction: 'void TF_DeleteFunction(void*)',
  TFE_ContextAddFunction: 'void TFE_ContextAddFunction(void*, void*, void*)',
  TFE_ContextRemoveFunction: 'void TFE_ContextRemoveFunction(void*, const char*, void*)',
  TF_NewBuffer: 'void* TF_NewBuffer()',
  TF_GraphGetOpDef: 'void TF_GraphGetOpDef(void*, const char*, void*, void*)',
  TF_DeleteBuffer: 'void TF_DeleteBuffer(void*)',
};

/** The opened library. There is one for each process: it cannot be unloaded. */
export interface NativeLibrary {
  readonly api: CApi;
  readonly version: string;
  /** `TFE_Execute` on a thread of its own; the promise settles when it has returned. */
  executeInBackground(op: Address, outputs: Address[], count: number[], status: Address): Promise<void>;
  /** Copies bytes to native memory. */
  write(to: Address, from: ArrayBufferView): void;
  /** A copy of native memory. */
  read(from: Address, bytes: number, room?: ArrayBuffer): ArrayBuffer;
  /** What a `TF_Buffer` points to. */
  buffer(address: Address): { readonly data: Address; readonly length: number };
}

// What dlopen is told, from <dlfcn.h> on Linux: bind lazily, for all that comes later, and never unload.
const LAZY = 0x1;
const GLOBAL = 0x100;
const NODELETE = 0x1000;

let opened: { readonly library: NativeLibrary; readonly folder: string } | null = null;

/** Opens the library. A second call with other files throws, because a process holds one. */
export async function openLibrary(files: LibraryFiles): Promise<NativeLibrary> {
  if (opened !== null) {
    if (opened.folder !== files.folder) {
      throw new Error(
        `TensorFlow of ${opened.folder} is open in this process; ${files.folder} cannot be opened too`,
      );
    }
    return opened.library;
  }
  const library = bind(await loadKoffi(), files);
  opened = { library, folder: files.folder };
  return library;
}

// The logging library's own names carry its release; these are the ones that TensorFlow 2.16 to 2.21 were built with.
const logReleases = ['20250814', '20250127', '20240722', '20240116', '20230802'];

/** TensorFlow writes notices to the error stream; its errors come back as statuses. Users who set its variable get what they ask for. */
function silence(koffi: ForeignFunctions, libraries: readonly OpenedLibrary[]): void {
  const asked = Number(process.env['TF_CPP_MIN_LOG_LEVEL'] ?? Number.NaN);
  const level = Number.isInteger(asked) ? asked : 3;
  for (const release of logReleases) {
    for (const setter of ['14SetMinLogLevel', '12log_internal17RawSetMinLogLevel']) {
      try {
        const name = `_ZN4absl12lts_${release}${setter}ENS0_18LogSeverityAtLeastE`;
        koffi.find(libraries, name, `void ${name}(int)`)(level);
        return;
      } catch {
        // Another release: at worst the notices are seen.
      }
    }
  }
}

/** Opening the library writes notices before its level can be set: for that moment they go nowhere. */
function withoutErrorStream<T>(libc: OpenedLibrary, body: () => T): T {
  if (process.env['TF_CPP_MIN_LOG_LEVEL'] !== undefined) return body();
  // Older versions ask this variable when they first have something to say.
  process.env['TF_CPP_MIN_LOG_LEVEL'] = '3';
  const kept = libc.func('int dup(int)')(2);
  const nowhere = openSync('/dev/null', 'w');
  const replace = libc.func('int dup2(int, int)');
  replace(nowhere, 2);
  try {
    return body();
  } finally {
    replace(kept, 2);
    closeSync(nowhere);
    libc.func('int close(int)')(kept);
  }
}

/**
 * TensorFlow leaves oneDNN's kernels out on processors without AVX-512's instructions for neural networks, though they are
 * faster there as well: ResNet-20 takes half the time on one with AVX2 alone. Read when the library is opened.
 */
function preferOneDnn(): void {
  process.env['TF_ENABLE_ONEDNN_OPTS'] ??= '1';
}

function bind(koffi: ForeignFunctions, files: LibraryFiles): NativeLibrary {
  preferOneDnn();
  const libc = koffi.load('libc.so.6');
  const paths = files.names.map((name) => join(files.folder, name));
  // A foreign-function library closes what it opened when the process ends, and TensorFlow crashes when it is unloaded.
  const pin = libc.func('void* dlopen(const char*, int)');
  const reason = libc.func('const char* dlerror()');
  const libraries = withoutErrorStream(libc, () =>
    paths.map((path) => {
      if (pin(path, LAZY | GLOBAL | NODELETE) === null) {
        throw new Error(`cannot open ${path}: ${String(reason())}`);
      }
      return koffi.load(path, { global: true, lazy: true });
    }),
  );
  silence(koffi, libraries);
  koffi.struct('TF_Output', { oper: 'void*', index: 'int' });
  const copy = libc.func('void* memcpy(void*, const void*, size_t)');
  const memoryFor = largeMemory(libc);
  const functions = new Map<string, ReturnType<ForeignFunctions['find']>>();
  for (const [name, declaration] of Object.entries(declarations)) {
    functions.set(name, koffi.find(libraries, name, declaration));
  }
  // Each function was declared in C just above; the types say the same in this language, name by name.
  const api = Object.fromEntries(functions) as unknown as CApi;
  // The end of a process waits for its threads, and so for the end of a call that may take long. Who ends it has no such time.
  let underWay = 0;
  const leave = libc.func('void _exit(int)');
  if (isMainThread) {
    process.on('exit', (code) => {
      if (underWay > 0) leave(code);
    });
  }
  const execute = functions.get('TFE_Execute');
  if (execute === undefined) throw new Error('TFE_Execute is missing');
  return {
    api,
    version: api.TF_Version(),
    executeInBackground: (op, outputs, count, status) =>
      new Promise((resolve, reject) => {
        underWay += 1;
        execute.async(op, outputs, count, status, (error: unknown) => {
          underWay -= 1;
          if (error === null || error === undefined) resolve();
          else reject(error instanceof Error ? error : new Error(String(error)));
        });
      }),
    write: (to, from) => {
      copy(to, from, from.byteLength);
    },
    read: (from, bytes, room) => {
      const own = room?.byteLength === bytes ? room : memoryFor(bytes);
      if (bytes > 0) copy(own, from, bytes);
      return own;
    },
    // A `TF_Buffer` begins with an address and a length of 8 bytes each.
    buffer: (address) => {
      const [data = 0n, length = 0n] = new BigUint64Array(koffi.view(address, 16).slice(0));
      return { data, length: Number(length) };
    },
  };
}
