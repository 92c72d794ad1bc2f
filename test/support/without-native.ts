/**
 * Preloaded with `--import`: takes ONNX Runtime's native build away from a process and all its threads, as a machine does on
 * which the package was not installed (`TILEMESH_TEST_NATIVE=missing`) or its library does not load (`broken`).
 */
import { registerHooks } from 'node:module';

const BROKEN = `
  export const [InferenceSession, Tensor] = [];
  process.dlopen({ exports: {} }, '/nowhere/onnxruntime_binding.node');
`;

registerHooks({
  resolve(specifier, context, nextResolve) {
    if (specifier !== 'onnxruntime-node') return nextResolve(specifier, context);
    if (process.env.TILEMESH_TEST_NATIVE === 'broken') {
      return { url: `data:text/javascript,${encodeURIComponent(BROKEN)}`, shortCircuit: true };
    }
    return nextResolve('onnxruntime-node-that-is-not-installed', context);
  },
});
