/** How much the tests fuzz. */

/** Inputs for each parser. */
export const RUNS = Number(process.env.TILEMESH_FUZZ_RUNS ?? 50_000);
/** The same every day, as a change is judged by it; another one each time where somebody asks for a number of inputs. */
export const SEED = Number(
  process.env.TILEMESH_FUZZ_SEED ??
    (process.env.TILEMESH_FUZZ_RUNS === undefined ? 1 : Math.floor(Math.random() * 2 ** 31)),
);
