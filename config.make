# CFLAGS for the C++ objects alone: the generated ngx_*_modules.c is C. A plain
# ./configure hardens nothing, so that is here too.
# nginx names an object's folder after the last folder of its source.

for sigra_room in phoenix postgres cache nginx conf gate endpoints; do
    cat << END >> $NGX_MAKEFILE

$NGX_OBJS/addon/$sigra_room/%.o: CFLAGS += -std=c++20 -O2 -fvisibility=hidden -fno-plt -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
END
done
