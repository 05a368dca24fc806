/** Part 2 of 2 of the recipes: see `recipe-harness/suite.ts`. */
import { testRecipes } from "./recipe-harness/suite.ts";

await testRecipes(1, 2);
