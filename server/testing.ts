/** `zabra/testing`: an ensemble for the tests of programs that use Zabra. */
export { type Ensemble, type EnsembleOptions, type Server, type ServerOptions, startEnsemble, startServer } from "./index.ts";
