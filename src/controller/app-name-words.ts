/** The words of generated names: friendly ones, and none that reads badly beside another. */
export const adjectives: readonly string[] = (
  'able amber ample apt avid basic bold brave breezy bright brisk calm candid cheery ' +
  'civil classy clean clear clever cool cosy crisp curious dapper daring deep deft ' +
  'devoted eager early earnest easy elated equal exact fair famous fancy fearless fine ' +
  'firm fluent fond frank free fresh friendly frugal gentle genuine giddy glad golden ' +
  'good grand great green handy happy hardy hasty hearty helpful honest humble ideal ' +
  'jolly jovial keen kind large lasting light lively long loud loyal lucky lunar major ' +
  'mellow merry mighty mild modest narrow native neat nimble noble novel open orange ' +
  'patient perky plain playful plucky polite prime proper proud pure quick quiet rapid ' +
  'rare ready real regal rich robust rosy round royal rustic safe sane sharp shiny ' +
  'silent silver simple sincere sleek smart smooth snug social solar solid sound spare ' +
  'spry stable steady stellar stoic strong subtle sunny super supple sure sweet swift ' +
  'tame tender tidy tiny tough trim true trusty upbeat usable valid vast velvet vivid ' +
  'warm wary wild willing windy wise witty worthy young zany zesty'
).split(' ');

export const animals: readonly string[] = (
  'aardvark albatross alpaca anteater antelope armadillo badger barracuda bat beagle ' +
  'bear beaver bee beetle bison blackbird bobcat buffalo bumblebee butterfly camel ' +
  'canary capybara caribou cat catfish chameleon cheetah chickadee chinchilla chipmunk ' +
  'clam cobra cockatoo condor coyote crab crane cricket crow cuckoo deer dingo dolphin ' +
  'donkey dormouse dove dragonfly duck eagle echidna eel egret elephant elk emu falcon ' +
  'ferret finch firefly flamingo fox frog fruitbat gazelle gecko gerbil gibbon giraffe ' +
  'gnu goat goldfinch goose gopher grouse guppy hamster hare hawk hedgehog heron ' +
  'herring hornet horse hummingbird ibex ibis iguana impala jackal jaguar jay kangaroo ' +
  'kestrel kingfisher kiwi koala krill lark lemming lemur leopard limpet lion lizard ' +
  'llama lobster loon lynx macaw magpie mallard manatee marmot marten meerkat mink ' +
  'mole mongoose moose moth mouse muskrat narwhal newt nightingale nuthatch ocelot ' +
  'octopus okapi opossum oriole ostrich otter owl ox oyster panda panther parrot ' +
  'partridge peacock pelican penguin pheasant pigeon pika platypus plover polecat pony ' +
  'porcupine porpoise puffin puma python quail quokka rabbit raccoon ram raven ' +
  'reindeer robin rook salamander salmon sandpiper seahorse seal shark sheep shrew ' +
  'shrimp skink skunk sloth snail sparrow spider squid squirrel starfish starling ' +
  'stingray stoat stork swallow swan swift tamarin tapir tarsier tern thrush tiger ' +
  'toad tortoise toucan trout tuna turkey turtle viper vole vulture wagtail walrus ' +
  'warbler wasp weasel whale wildcat wolf wolverine wombat woodchuck woodpecker wren ' +
  'yak zebra zebu'
).split(' ');
