/** `zabra/testing`: ensembles for the tests of programs that use Zabra, real ones on free ports and virtual ones in virtual time. */
export {
  type Ensemble,
  type EnsembleOptions,
  type Server,
  type ServerOptions,
  startEnsemble,
  startServer,
} from "../../server/index.ts";
export {
  type VirtualClientOptions,
  VirtualEnsemble,
  type VirtualEnsembleOptions,
  type VirtualNode,
  virtualEnsemble,
} from "./virtual/ensemble.ts";
