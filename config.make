# CFLAGS for the C++ objects alone: the generated ngx_*_modules.c is C.
# nginx names an object's folder after the last folder of its source.

for sigra_room in phoenix postgres cache nginx conf gate endpoints; do
    cat << END >> $NGX_MAKEFILE

$NGX_OBJS/addon/$sigra_room/%.o: CFLAGS += -std=c++20 -fvisibility=hidden -fno-plt
END
done
